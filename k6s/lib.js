// What the scripts share. Settings come from the environment (k6 run -e NAME=VALUE …).
import http from 'k6/http';
import { check, sleep } from 'k6';
import exec from 'k6/execution';

export const BASE_URL = __ENV.BASE_URL || 'http://127.0.0.1:8080';
const SUCCESS = __ENV.ADMITTED_WORD || 'SUCCESS';

export function number(name, initial) {
  return __ENV[name] ? Number(__ENV[name]) : initial;
}

export const STATS = ['avg', 'min', 'med', 'p(90)', 'p(95)', 'p(99)', 'max'];

// One scenario of VUs that ask again as soon as they have an answer.
export function closedLoop(vus, duration, thresholds) {
  return {
    scenarios: { main: { executor: 'constant-vus', vus, duration, gracefulStop: '10s' } },
    thresholds: {
      http_req_failed: ['rate==0'],
      checks: ['rate==1'],
      http_req_duration: ['p(95)<2000'],
      ...thresholds,
    },
    summaryTrendStats: STATS,
  };
}

// 1 … count, evenly
export function randomId(count) {
  return 1 + Math.floor(Math.random() * count);
}

// For setup(): where a run's users begin. Ids stay below 2^53.
export function newRun() {
  return Math.floor(Date.now() / 1000) * 1000000;
}

// A user that no run of an earlier second and no other VU of this run has.
let userCount = 0;
export function newUserId(run) {
  return run + exec.vu.idInTest * 10000 + userCount++;
}

// ---- requests; `expected`: statuses that are no failure ----

function parameters(token, name, expected) {
  const options = { headers: {}, tags: { name } };
  if (token) {
    options.headers.Authorization = token;
  }
  if (expected) {
    options.responseCallback = http.expectedStatuses(...expected);
  }
  return options;
}

export function post(path, body, token, name, expected) {
  const options = parameters(token, name || path, expected);
  options.headers['Content-Type'] = 'application/json';
  return http.post(BASE_URL + path, body === null ? null : JSON.stringify(body), options);
}

export function get(path, token, name, expected) {
  return http.get(BASE_URL + path, parameters(token, name || path, expected));
}

export function del(path, token, name, expected) {
  return http.del(BASE_URL + path, null, parameters(token, name || path, expected));
}

export function queueToken(userId) {
  const answer = post('/queue/token', { userId });
  check(answer, { 'token: 200': (r) => r.status === 200 });
  return answer.json('data.queueToken');
}

// The samples of one metric of the server, by its labels' text.
export function serverMetric(name) {
  const samples = {};
  for (const line of get('/metrics').body.split('\n')) {
    const found = line.match(/^(\w+)(?:\{(.*)\})? (\S+)$/);
    if (found && found[1] === name) {
      samples[found[2] || ''] = Number(found[3]);
    }
  }
  return samples;
}

// ---- a buyer ----

// Takes a token and polls as often as the server says until it is admitted. Gives up after
// patience_s and returns null then.
export function waitForAdmission(userId, patience_s, onWait) {
  const begun = Date.now();
  const issued = post('/api/v1/queue/tokens', { userId }, null, null, [200, 201]);
  if (!check(issued, { 'token: issued': (r) => r.status === 200 || r.status === 201 })) {
    return null;
  }
  const token = issued.json('data.queueToken');
  let ticket = issued.json('data');
  while (ticket.status !== SUCCESS) {
    if (ticket.status !== 'WAITING' || Date.now() - begun > patience_s * 1000) {
      return null;
    }
    sleep(ticket.nextPollMs / 1000);
    const polled = get('/api/v1/queue/tokens/me', token);
    if (!check(polled, { 'poll: 200': (r) => r.status === 200 })) {
      return null;
    }
    ticket = polled.json('data');
  }
  if (onWait) {
    onWait(Date.now() - begun);
  }
  return token;
}

export function openSchedules() {
  const answer = get('/concerts/schedule');
  check(answer, { 'schedules: 200': (r) => r.status === 200 });
  return answer.json('data').filter((schedule) => schedule.availableSeats > 0);
}

export function availableSeats(scheduleId, token) {
  const answer = get(`/api/v1/schedules/${scheduleId}/seats?status=AVAILABLE`, token,
    '/api/v1/schedules/{scheduleId}/seats');
  check(answer, { 'seats: 200': (r) => r.status === 200 });
  return answer.status === 200 ? answer.json('data.seats') : [];
}

// Up to `wanted` of them, at random.
export function choose(items, wanted) {
  const left = items.slice();
  const chosen = [];
  while (chosen.length < wanted && left.length > 0) {
    chosen.push(left.splice(Math.floor(Math.random() * left.length), 1)[0]);
  }
  return chosen;
}

// Holds up to `wanted` seats of a schedule; others may be quicker. The reservation, or null.
export function holdSeats(scheduleId, wanted, token) {
  for (let attempt = 0; attempt < 5; attempt++) {
    const seats = choose(availableSeats(scheduleId, token), wanted);
    if (seats.length === 0) {
      return null;
    }
    const answer = post('/api/v1/reservations',
      { scheduleId, seatIds: seats.map((seat) => seat.seatId) }, token, null, [200, 201, 409]);
    check(answer, {
      'hold: 201, or taken': (r) => r.status === 201 ||
        (r.status === 409 && r.json('code') === 'seat-taken'),
      'hold: at the seats\' prices': (r) => r.status !== 201 ||
        r.json('data.amount') === seats.reduce((sum, seat) => sum + seat.amount, 0),
    });
    if (answer.status === 201) {
      return answer.json('data');
    }
  }
  return null;
}

export function confirm(reservationId, token) {
  return post(`/api/v1/reservations/${reservationId}/confirm`, null, token,
    '/api/v1/reservations/{reservationId}/confirm', [200, 409]);
}

// Pays for a reservation as a buyer without points does: refused, charged, confirmed, and once more
// as after a lost answer. True when it is confirmed.
export function pay(userId, reservation, token) {
  const points = `/api/v1/users/${userId}/points`;
  const refused = confirm(reservation.reservationId, token);
  check(refused, {
    'confirm: too few points': (r) => r.status === 409 && r.json('code') === 'insufficient-points',
    'confirm: what is missing': (r) => r.json('required') === reservation.amount &&
      r.json('shortBy') === reservation.amount - r.json('balance'),
    'confirm: the hold stays': (r) => Date.parse(r.json('holdExpiresAt')) > Date.now(),
  });
  const balance = get(points, token, '/api/v1/users/{userId}/points');
  check(balance, {
    'balance: as refused': (r) => r.json('data.balance') === refused.json('balance'),
  });
  const charged = http.post(`${BASE_URL}${points}/charges`,
    JSON.stringify({ amount: refused.json('shortBy') }), {
      headers: {
        Authorization: token,
        'Content-Type': 'application/json',
        'Idempotency-Key': `for-${reservation.reservationId}`,
      },
      tags: { name: '/api/v1/users/{userId}/points/charges' },
    });
  check(charged, { 'charge: 201': (r) => r.status === 201 });
  const confirmed = confirm(reservation.reservationId, token);
  check(confirmed, {
    'confirm: CONFIRMED': (r) => r.status === 200 && r.json('data.status') === 'CONFIRMED',
    'confirm: at the price': (r) => r.json('data.paidAmount') === reservation.amount,
  });
  const again = confirm(reservation.reservationId, token);
  check(again, { 'confirm again: the same': (r) => r.body === confirmed.body });
  return confirmed.status === 200;
}
