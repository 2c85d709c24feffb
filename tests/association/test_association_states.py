"""Every state against every event of both tables: what is there is taken, what is not is our own mistake."""

from __future__ import annotations

import pytest

from association.association_world import RawClient, world
from cosem.association.server import Session
from cosem.association.state import CLIENT, SERVER, Client, ClientEvent, Server, ServerEvent
from cosem.errors import LocalProtocolError
from cosem.link.base import Address


@pytest.mark.parametrize("state", Client)
@pytest.mark.parametrize("event", ClientEvent)
def test_client_takes_the_transitions_of_its_table_and_no_other(state: Client, event: ClientEvent) -> None:
    machine = world().initiator
    machine.state = state
    following = CLIENT.get((state, event))
    if following is None:
        with pytest.raises(LocalProtocolError, match="not possible while"):
            machine.move(event)
        assert machine.state is state
    else:
        machine.move(event)
        assert machine.state is following


@pytest.mark.parametrize("state", Server)
@pytest.mark.parametrize("event", ServerEvent)
def test_server_takes_the_transitions_of_its_table_and_no_other(state: Server, event: ServerEvent) -> None:
    from cosem.association.held import Association

    client = RawClient()
    association = Association(Session(client.objects.profiles[1], Address(1, 1)), client.objects)
    association.state = state
    following = SERVER.get((state, event))
    if following is None:
        with pytest.raises(LocalProtocolError, match="not possible while"):
            association.move(event)
        assert association.state is state
    else:
        association.move(event)
        assert association.state is following
        assert association.session.status == following.value


@pytest.mark.parametrize("state", Client)
def test_a_lost_link_ends_every_state(state: Client) -> None:
    assert CLIENT.get((state, ClientEvent.LINK_DOWN)) is Client.DISCONNECTED


@pytest.mark.parametrize("state", Server)
def test_a_lost_link_ends_every_association(state: Server) -> None:
    assert SERVER.get((state, ServerEvent.LINK_DOWN)) is Server.NON_ASSOCIATED
