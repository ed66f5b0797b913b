"""`denizen events`."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import orjson
import typer
from denizen.errors import DenizenError, NoAnswer
from denizen.events import ALL_EVENTS, STREAM, Event
from denizen.transport import Transport
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError

from services.cli.environment import nats_servers

app = typer.Typer(no_args_is_help=True, add_completion=False)

_PATIENCE_SECONDS = 10.0
_PAUSE_SECONDS = 0.5


@app.callback()
def _group() -> None:
    """Follow the published events."""


@app.command()
def tail(
    *,
    everything: Annotated[bool, typer.Option("--all", help="From the first event on.")] = False,
    type: Annotated[str, typer.Option(help="One type only, such as UserBlocked.")] = ALL_EVENTS,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Print the events in order, as they are published, until Ctrl-C."""
    if type != ALL_EVENTS and not type.isalnum():
        raise typer.BadParameter("a type is a name such as UserBlocked")
    try:
        asyncio.run(_tail(f"users.v1.event.{type}.*", everything, count, as_json))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    except DenizenError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


async def _tail(subject: str, everything: bool, count: int | None, as_json: bool) -> None:
    transport = Transport(nats_servers(), _PATIENCE_SECONDS, {})
    try:
        printed = 0
        async for event in _follow(transport, subject, everything):
            typer.echo(_json(event) if as_json else _line(event))
            printed += 1
            if printed == count:
                return
    finally:
        await transport.close()


async def _follow(transport: Transport, subject: str, everything: bool) -> AsyncIterator[Event]:
    """The events, by consumers that the server forgets; where one dies, the next begins behind the last event."""
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
            connected = True
            while True:
                try:
                    messages = await pulling.fetch(100, timeout=1)
                except NatsTimeoutError:
                    continue
                for message in messages:
                    after = message.metadata.sequence.stream
                    yield Event.of(message)
        except NotFoundError:
            raise NoAnswer(f"there is no stream {STREAM}: is the relay running?") from None
        except (NatsError, JetStreamError, NoAnswer) as error:
            if not connected:
                raise NoAnswer("no events are to be had; is Denizen running?") from error
            await asyncio.sleep(_PAUSE_SECONDS)


def _json(event: Event) -> str:
    facts = {
        "id": event.id,
        "type": event.type,
        "userId": event.user_id,
        "time": event.time,
        "position": event.position,
    }
    return orjson.dumps(facts | {"data": event.data.model_dump(by_alias=True)}).decode()


def _line(event: Event) -> str:
    changed = ", ".join(event.data.changed)
    when = f"{event.time:%Y-%m-%dT%H:%M:%SZ}  {event.position:>8}"
    return f"{when}  {event.type:<16}  {event.user_id}  {event.data.status}  {changed}"
