"""Messages that the Hub's commands share: about waits, and about what a push sends."""

from mico_150k.cli.terminal import duration, say
from mico_150k.core.plural import counted
from mico_150k.hub.push_forecast import PushForecast
from mico_150k.io.machine import gigabytes

_SPEEDS = ((100, "100 Mbit/s"), (1000, "1 Gbit/s"))


def say_wait(why: str, seconds: float) -> None:
    """Report a wait for the Hub."""
    say("{}; retrying in {} s", why, f"{seconds:.0f}")


def say_transfer(forecast: PushForecast, shards: str) -> None:
    """Report what is sent, how long it takes, and where it may not fit; `shards` is their count."""
    times = " or ".join(
        f"{duration(forecast.seconds(megabits))} at {name}" for megabits, name in _SPEEDS
    )
    stale = f", {counted(forecast.stale, 'old file')} to remove" if forecast.stale else ""
    say(
        "{}, {}, of which Xet will transfer about {}: {}{}; {} in all",
        shards,
        gigabytes(forecast.bytes),
        gigabytes(forecast.new),
        times,
        stale,
        gigabytes(forecast.total),
    )
    for warning in forecast.warnings:
        say("[yellow]note[/yellow]: {}", warning)
