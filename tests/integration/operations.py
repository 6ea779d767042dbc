"""A request that each documented operation accepts, to be spoilt in one way or another."""

import re

from boxoffice import User, bearer

CONCERT = {"title": "One seat", "schedules": [
    {"openDate": "2027-03-01", "startTime": "19:00", "endTime": "21:00",
     "sections": [{"name": "A", "rows": 1, "seatsPerRow": 1, "amount": 1}]}]}
UNKNOWN = 2 ** 53 - 65  # an id that nothing has


class Buyer(User):
    """A user with a held seat, and requests that any operation accepts from him."""

    def __init__(self, server, schedule_id=1):
        super().__init__(server.client(), server.new_user_id())
        self.server, self.schedule_id = server, schedule_id
        self.seat_id = self.free_seat()
        self.reservation_id = self.hold(schedule_id, self.seat_id).data["reservationId"]

    def free_seat(self):
        return self.seats(self.schedule_id, "AVAILABLE")[0]["seatId"]

    def path(self, operation):
        ids = {"userId": self.id, "concertId": 1, "scheduleId": self.schedule_id,
               "reservationId": self.reservation_id, "name": "wallet-0"}
        if "/rooms/" in operation.template:
            ids["concertId"] = 0  # no concert gets a room of its own
        path = re.sub(r"\{(\w+)\}", lambda name: str(ids[name[1]]), operation.template)
        return path + (f"?seatId={self.seat_id}" if operation.name == "findSeats" else "")

    def body(self, operation):
        """A body that the operation accepts; None when it takes none."""
        bodies = {
            "issueToken": {"userId": self.id}, "issueTokenAlias": {"userId": self.id},
            "issueTokenApiAlias": {"userId": self.id},
            "makeReservation": {"scheduleId": self.schedule_id, "seatIds": [self.seat_id]},
            "confirmReservationAlias": {"reservationId": self.reservation_id},
            "chargePoints": {"amount": 1000}, "usePoints": {"amount": 1},
            "setBreaker": {"mode": "AUTO"}, "changeRoom": {"activeLimit": 1000},
            "createConcert": CONCERT,
        }
        return bodies[operation.name] if "requestBody" in operation.definition else None


    def token_for(self, operation):
        if is_admins(operation):
            return bearer(self.server.admin_key)
        if operation.name == "leaveQueue":  # somebody else's: this buyer stays admitted
            return self.server.user(client=self.client).token
        return self.token


def is_documented(operation, status):
    return str(status) in operation.definition["responses"]


def is_admins(operation):
    return {"adminKey": []} in operation.definition.get("security", [])


def ask(operation, buyer, **changes):
    """A request as the operation wants it, but for what `changes` say."""
    options = {"body": buyer.body(operation), "token": buyer.token_for(operation)} | changes
    path = options.pop("path", buyer.path(operation))
    return buyer.client.request(operation.method.upper(), path, **options)
