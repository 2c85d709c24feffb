"""G3-PLC Hybrid RF MAC setup (class 161): parameters of the RF MAC layer."""
# ruff: noqa: N815 - attributes and fields are spelled as the standard spells them

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import (
    any_data,
    array,
    bit_string,
    boolean,
    double_long_unsigned,
    enum_code,
    long_unsigned,
    raw_data,
    unsigned,
)


class G3PLCHybridRFMACSetup(
    InterfaceClass[S], class_id=161, version=1, name="G3-PLC Hybrid RF MAC setup", verified=False
):
    """Parameters named after those of G3-PLC Hybrid (Blue Book ed. 16). No public source describes version 0.

    From one public source, which does not give the layout of the POS table (its elements are `Data`) and of what the
    method returns, nor the codes of mac_frequency_band_RF.
    """

    mac_max_BE_RF = attribute(2, unsigned, "largest back-off exponent", static=True)
    mac_max_CSMA_backoffs_RF = attribute(3, unsigned, "back-offs at most", static=True)
    mac_max_frame_retries_RF = attribute(4, unsigned, "times a frame is sent again", static=True)
    mac_min_BE_RF = attribute(5, unsigned, "smallest back-off exponent", static=True)
    mac_frame_counter_RF = attribute(6, double_long_unsigned, "counter of protected frames sent")
    mac_duplicate_detection_TTL_RF = attribute(7, unsigned, "how long a frame is remembered", static=True)
    mac_POS_table_RF = attribute(8, array(raw_data), "stations within reach", default=())
    mac_operating_mode_RF = attribute(9, unsigned, "operating mode of the radio", static=True)
    mac_channel_number_RF = attribute(10, long_unsigned, "channel", static=True)
    mac_duty_cycle_usage_RF = attribute(11, unsigned, "part of the duty cycle that was used")
    mac_duty_cycle_period_RF = attribute(12, long_unsigned, "period of the duty cycle", static=True)
    mac_duty_cycle_limit_RF = attribute(13, long_unsigned, "sending time allowed in a period", static=True)
    mac_duty_cycle_threshold_RF = attribute(14, unsigned, "usage from which sending is limited", static=True)
    mac_disable_PHY_RF = attribute(15, boolean, "whether the radio is off", static=True)
    mac_frequency_band_RF = attribute(16, enum_code, "frequency band", static=True)
    mac_transmit_atten_RF = attribute(17, unsigned, "attenuation of the transmitter", static=True)
    mac_adaptive_power_step_RF = attribute(18, unsigned, "step of the adaptive power", static=True)
    mac_adaptive_power_high_bound_RF = attribute(19, unsigned, "upper bound of the adaptive power", static=True)
    mac_adaptive_power_low_bound_RF = attribute(20, unsigned, "lower bound of the adaptive power", static=True)
    mac_POS_recent_entries_RF = attribute(21, long_unsigned, "number of recent entries of the POS table")
    mac_hopping_enabled_RF = attribute(22, boolean, "whether channels are hopped", static=True)
    mac_broadcast_interval_duration_RF = attribute(23, long_unsigned, "interval of broadcast slots", static=True)
    mac_broadcast_slot_duration_RF = attribute(24, unsigned, "length of a broadcast slot", static=True)
    mac_unicast_slot_duration_RF = attribute(25, unsigned, "length of a unicast slot", static=True)
    mac_extended_bitmap_RF = attribute(26, bit_string(), "extended bitmap", static=True)
    mac_beacon_randomization_window_length_RF = attribute(27, long_unsigned, "length of the beacon window", static=True)
    mac_additional_channel_scan_time_RF = attribute(28, unsigned, "additional time of a channel scan", static=True)
    mac_max_cca_attempts_retries_RF = attribute(29, unsigned, "tries to find the channel clear", static=True)
    mac_min_inter_Tx_interval_RF = attribute(30, long_unsigned, "shortest time between transmissions", static=True)
    mac_initial_retry_time_RF = attribute(31, long_unsigned, "time until the first repetition", static=True)
    mac_maximum_retry_time_RF = attribute(32, long_unsigned, "longest time until a repetition", static=True)
    mac_max_clock_drift_RF = attribute(33, unsigned, "drift of the clock at most", static=True)
    mac_FH_unicast_schedule_address_RF = attribute(34, long_unsigned, "hopping: address of the schedule", static=True)
    mac_FH_unicast_slot_number_RF = attribute(35, long_unsigned, "hopping: number of the slot", static=True)
    mac_FH_unicast_offset_RF = attribute(36, unsigned, "hopping: offset in the slot", static=True)
    mac_min_guard_time_RF = attribute(37, unsigned, "shortest guard time", static=True)
    mac_max_bcast_resync_wait_unit_RF = attribute(38, unsigned, "longest wait for a broadcast", static=True)

    mac_get_POS_table_entry_RF = method(
        1,
        long_unsigned,
        "returns the entry of the POS table with that short address",
        returns=any_data,
        sn_offset=0x130,
    )
