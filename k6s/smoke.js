// A few seconds over every call of the load-test scripts, each with its check.
//
//   boxoffice serve --demo --demo-holds 1000 --open-confirm
//   k6 run k6s/smoke.js               [-e BASE_URL=… -e VUS=5 -e DURATION=5s -e IDS=1000]
import { check } from 'k6';
import { closedLoop, del, get, number, post, queueToken, randomId } from './lib.js';

const IDS = number('IDS', 1000);

export const options = closedLoop(number('VUS', 5), __ENV.DURATION || '5s');

export default function () {
  const userId = 2000000 + randomId(1000000);
  const token = queueToken(userId);

  const status = post('/queue/token/check', null, token);
  check(status, {
    'check: 200': (r) => r.status === 200,
    'check: SUCCESS': (r) => r.json('data.status') === 'SUCCESS',
  });

  const schedules = get('/concerts/schedule');
  check(schedules, { 'schedules: 200': (r) => r.status === 200 });
  const seatId = schedules.json('data.0.seatId');
  if (seatId) {
    const seat = get(`/concerts/seat?=${seatId}`, token, '/concerts/seat');
    check(seat, {
      'seat: 200': (r) => r.status === 200,
      'seat: the one asked for': (r) => r.json('data.0.seatId') === seatId,
    });
  }

  const points = `/api/v1/users/${userId}/points`;
  const charge = post(`${points}/charges`, { amount: 500 }, token,
    '/api/v1/users/{userId}/points/charges');
  check(charge, { 'charge: 201': (r) => r.status === 201 });
  const balance = get(points, token, '/api/v1/users/{userId}/points');
  check(balance, {
    'balance: 200': (r) => r.status === 200,
    'balance: at least the charge': (r) => r.json('data.balance') >= 500,
  });

  const reservationId = randomId(IDS);
  const confirm = post('/reservations/confirm', { reservationId });
  check(confirm, { 'confirm: 200': (r) => r.status === 200 });

  const left = del('/api/v1/queue/tokens/me', token); // the place is the next one's
  check(left, { 'leave: 204': (r) => r.status === 204 });
}
