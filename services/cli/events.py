"""`denizen events`."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from denizen.errors import DenizenError, NoAnswer
from denizen.events import ALL_EVENTS, STREAM, Event, Events, ParkedEvent, filters
from denizen.jetstream import failure
from denizen.transport import Transport
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError

from services.cli import errors, show
from services.cli.arguments import AsJson
from services.cli.environment import nats_servers

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, add_completion=False)

_PATIENCE_SECONDS = 10.0
_PAUSE_SECONDS = 0.5


@app.callback()
def _group() -> None:
    """Follow the published events, and see to those that subscriptions gave up on."""


parked_app = typer.Typer(no_args_is_help=True, add_completion=False)
app.add_typer(parked_app, name="parked", help="Events that a subscription gave up on.")
DurableName = Annotated[str, typer.Argument(help="The subscription's name.", show_default=False)]


@parked_app.command("list")
def parked_list(durable: DurableName, *, as_json: AsJson = False) -> None:
    """List the events that a subscription gave up on."""
    found = asyncio.run(_with_events(lambda events: events.parked(durable)))
    if as_json:
        show.json([_parked_facts(each) for each in found])
        return
    rows = [
        [
            str(each.event.position),
            each.event.type,
            each.event.user_id,
            str(each.tries),
            each.error or "-",
            show.time(each.parked_at),
            "yes" if each.retrying else "no",
        ]
        for each in found
    ]
    headings = ("position", "type", "user", "tries", "error", "parked at", "retry asked for")
    show.table(headings, rows, f"{len(found)} parked")


@parked_app.command("retry")
def parked_retry(
    durable: DurableName,
    positions: Annotated[
        list[int] | None, typer.Argument(help="The positions of the events.", show_default=False)
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Retry all parked events of the subscription.")] = False,
    as_json: AsJson = False,
) -> None:
    """Have the subscription handle parked events once more, now or when it next runs."""
    if bool(positions) == everything:
        raise typer.BadParameter("name the positions of the events, or --all")
    asked = asyncio.run(_with_events(lambda events: events.retry_parked(durable, *(positions or ()))))
    if as_json:
        show.json({"durable": durable, "retried": asked})
    else:
        show.say(f"{len(asked)} to be retried by the subscription {durable}")


async def _with_events(ask: Callable[[Events], Awaitable[T]]) -> T:
    """Return the result of `ask`. Ends the command with exit code 1 where it is refused."""
    transport = Transport(nats_servers(), _PATIENCE_SECONDS, {})
    try:
        return await ask(Events(transport))
    except DenizenError as error:
        raise errors.refused(error) from error
    except ValueError as error:
        raise errors.failed(str(error)) from error
    finally:
        await transport.close()


def _parked_facts(parked: ParkedEvent) -> dict[str, object]:
    return {
        **_facts(parked.event),
        "tries": parked.tries,
        "error": parked.error,
        "parkedAt": show.time(parked.parked_at),
        "retrying": parked.retrying,
    }


@app.command()
def tail(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Begin with the first event.")] = False,
    type: Annotated[str, typer.Option(help="One type only, such as UserBlocked.")] = ALL_EVENTS,
    count: Annotated[int | None, typer.Option(min=1, help="End after this number of events.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Print the events in order, as they are published, until Ctrl-C."""
    try:
        subject = filters([type])[0]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--type") from error
    try:
        asyncio.run(_tail(subject, everything, count, as_json))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    except DenizenError as error:
        raise errors.refused(error) from error


async def _tail(subject: str, everything: bool, count: int | None, as_json: bool) -> None:
    transport = Transport(nats_servers(), _PATIENCE_SECONDS, {})
    try:
        printed = 0
        greeted = sys.stderr.isatty() and not as_json
        async for event in _follow(transport, subject, everything, greeted):
            show.json(_facts(event)) if as_json else show.hanging(*_line(event))
            printed += 1
            if printed == count:
                return
    finally:
        await transport.close()


async def _follow(transport: Transport, subject: str, everything: bool, greeted: bool) -> AsyncIterator[Event]:
    """The events, by consumers that the server forgets; where one dies, the next begins behind the last event.

    With `greeted`, a line on stderr says that the command waits: a terminal stays empty until the next event.
    """
    after: int | None = 0 if everything else None
    connected = False
    while True:
        try:
            jetstream = (await transport.connection()).jetstream()
            if after is None:
                after = (await jetstream.stream_info(STREAM)).state.last_seq
            config = ConsumerConfig(
                deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=after + 1, ack_policy=AckPolicy.NONE
            )
            pulling = await jetstream.pull_subscribe(subject, stream=STREAM, config=config)
            if greeted and not connected:
                show.say("Waiting for events. Press Ctrl-C to stop.", err=True)
            connected = True
            while True:
                try:
                    messages = await pulling.fetch(100, timeout=1)
                except TimeoutError:  # Of nats-py, or of asyncio where the time is over between two of its requests.
                    continue
                for message in messages:
                    after = message.metadata.sequence.stream
                    yield Event.of(message)
        except NotFoundError:
            raise NoAnswer(f"there is no stream {STREAM}: is the relay running?") from None
        except (NatsError, JetStreamError, NoAnswer) as error:
            if not connected:
                raise failure(f"the stream {STREAM}", error) from error
            await asyncio.sleep(_PAUSE_SECONDS)


def _facts(event: Event) -> dict[str, object]:
    facts: dict[str, object] = {
        "id": event.id,
        "type": event.type,
        "userId": event.user_id,
        "time": event.time.isoformat(),
        "position": event.position,
        "data": event.data.model_dump(by_alias=True),
    }
    return facts | ({"traceparent": event.traceparent} if event.traceparent is not None else {})


def _line(event: Event) -> tuple[str, str]:
    """When an event happened, and what."""
    changed = ", ".join(event.data.changed)
    when = f"{event.time:%Y-%m-%dT%H:%M:%SZ}  {event.position:>8}  "
    return when, f"{event.type:<16}  {event.user_id}  {event.data.status}  {changed}"
