"""What is told to open pages: the state of each topic by the ids of the page's elements."""

from __future__ import annotations

from typing import Any

from cosem.headend.happenings import AlarmState, alarms
from cosem.headend.web import customer_view, neighbourhood_view, station_pages, text
from cosem.headend.web.campaign_pages import campaign_state
from cosem.headend.web.device_pages import device_state
from cosem.headend.web.frame import Frame
from cosem.headend.web.live import OWN, Live, State, of_device
from cosem.headend.web.plan_pages import run_state
from cosem.headend.web.playing import HOME, NEIGHBOURHOOD


def connect(frame: Frame) -> None:
    """Let pages follow: topics are rendered anew when the head-end tells of something that concerns them."""
    playing = frame.playing
    frame.live = Live(lambda topic: render(frame, topic), beat=playing)
    if playing is not None:
        frame.headend.live.append(playing.told)

    def told(kind: str, content: dict[str, Any]) -> None:
        topics = ["overview", *frame.homes.told(content)]
        if "device" in content:
            topics += of_device(content["device"])
        if "run" in content:
            topics.append(f"run:{content['run']}")
        if kind in ("campaign", "firmware"):
            topics.append(f"campaign:{content['id']}")
        frame.live.touch(*topics)

    frame.headend.live.append(told)
    frame.headend.traces.listeners.append(lambda number: frame.live.touch(f"traced:{number}", f"{OWN}traced:{number}"))


def render(frame: Frame, topic: str) -> State:
    """Return the state of a topic."""
    if topic == NEIGHBOURHOOD:
        return {} if frame.playing is None else neighbourhood_view.topic(frame, frame.playing.seen)
    kind, _, number = topic.removeprefix(OWN).partition(":")
    with frame.headend.engine.connect() as connection:
        if kind in ("device", "traced"):
            given = device_state(frame, connection, int(number), narrowed=topic.startswith(OWN))
            blocks = ["readings", "commands", "opened"]
            if kind == "traced":
                # With what only those see who may command.
                given |= {"traces": frame.headend.traces.of(connection, int(number)), "number": int(number)}
                blocks.append("traces")
            return {"html": {f"live-{name}": frame.fragment(f"_{name}.html", **given) for name in blocks}}
        if topic.startswith(HOME):
            return {"html": customer_view.fragments(frame, connection, topic)}
        if kind == "station":
            return {"html": station_pages.fragments(frame, connection, int(number))}
        if kind == "run":
            given = run_state(frame, connection, int(number))
            return {"html": {"live-run": frame.fragment("_run.html", target=frame.settings.target, **given)}}
        if kind == "campaign":
            blocks = ["campaign", "campaign_devices", "campaign_history"]
            given = campaign_state(frame, int(number))
            html = {f"live-{name}": frame.fragment(f"_{name}.html", **given) for name in blocks}
            return {"html": html, "state": given["row"].state.value}
        seen = frame.overviews.get(connection)
        newest = alarms(connection, limit=6, state=AlarmState.OPEN)
    night = frame.fragment("_night.html", seen=seen, target=frame.settings.target)
    return {
        "text": {
            "kpi-read": "–" if seen.night is None else text.share(seen.night.read, seen.night.total),
            "kpi-devices": text.number(seen.in_use),
            "kpi-alarms": text.number(seen.alarms),
            "kpi-fraud": f"{text.number(seen.fraud)} of fraud",
            "kpi-waiting": text.number(seen.unconfirmed),
            "kpi-gaps": text.number(seen.gaps),
        },
        "html": {
            "live-night": night,
            "live-alarms": frame.fragment("_alarms.html", alarms=newest),
        },
    }
