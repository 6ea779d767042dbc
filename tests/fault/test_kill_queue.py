"""kill -9 of the queue worker while tokens are issued: one new ticket for each user, for ever."""

import asyncio
import json

from sale import ADMIT_ALL
from storm import Storm, choose_seed, kill_count

CLIENTS = 24
USERS = 100_000


class Client:
    def __init__(self, storm, number, first_user, tickets):
        self.random = storm.random_for(number)
        self.first_user = first_user
        self.tickets = tickets  # user → [statuses, token], of all clients

    async def begin(self, connection):
        pass

    async def finish(self, connection):
        pass

    async def step(self, connection):
        """Half the users are asked for by many clients, often at the same time."""
        range_of_users = USERS if self.random.random() < 0.5 else 200
        user_id = self.first_user + self.random.randrange(range_of_users)
        status, body = await connection.request("POST", "/api/v1/queue/tokens", {"userId": user_id})
        assert status in (200, 201), (status, body)
        token = json.loads(body)["data"]["queueToken"]
        ticket = self.tickets.setdefault(user_id, [[], token])
        ticket[0].append(status)
        assert ticket[1] == token, f"user {user_id} has two tickets"
        status, body = await connection.request("POST", "/queue/token/check", token=token)
        assert (status, json.loads(body)["data"]["status"]) == (200, "SUCCESS"), body


def test_killing_the_queue_worker_costs_clients_nothing(start):
    seed = choose_seed()
    server = start(*ADMIT_ALL)
    storm = Storm(server, seed)
    tickets = {}
    first_user = 5_000_000
    clients = [Client(storm, number, first_user, tickets) for number in range(CLIENTS)]
    asyncio.run(storm.run(clients, ["queue"], kill_count()))
    for user_id, (statuses, _) in tickets.items():
        assert statuses.count(201) == 1, f"user {user_id}: {statuses}"
    assert len({token for _, token in tickets.values()}) == len(tickets)
    storm.verdict(f"queue worker, {len(tickets)} tickets")
    server.stop()
    again = start(*ADMIT_ALL, data=server.data)
    client = again.client()
    for user_id, (_, token) in sorted(tickets.items())[::7]:
        answer = client.post("/queue/token", {"userId": user_id})
        assert (answer.status, answer.data["queueToken"]) == (200, token)
