"""What the head-end tells tools at home: devices, values and alarms by MQTT, in the names those tools know."""
