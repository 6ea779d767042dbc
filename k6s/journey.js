// Sells out: each VU is one buyer after the other, on the whole way from the waiting room to the
// ticket that is DONE, until no seat is left. At the end every seat must be sold.
//
//   boxoffice serve --demo [--active-limit 50]
//   k6 run k6s/journey.js     [-e BASE_URL=… -e VUS=150 -e DURATION=30m -e SEATS_MAX=4
//                              -e LEAVE=0.1 -e THINK=0.2 -e ADMITTED_WORD=SUCCESS]
//
// DURATION: the longest time that it may take. LEAVE: the share of buyers who give their seats back.
// THINK: seconds between a buyer's steps, at most.
import { check, sleep } from 'k6';
import { Counter, Trend } from 'k6/metrics';
import {
  choose, del, get, holdSeats, newRun, newUserId, number, openSchedules, pay, randomId, STATS,
  waitForAdmission,
} from './lib.js';

const VUS = number('VUS', 150);
const SEATS_MAX = number('SEATS_MAX', 4);
const LEAVE = number('LEAVE', 0.1);
const THINK_S = number('THINK', 0.2);
const PATIENCE_S = 600;
const LAST_LOOKS = 3; // without a free seat, before a buyer believes that all is sold

const buyers = new Counter('buyers');
const seatsSold = new Counter('seats_sold');
const waited = new Trend('waited', true);

export const options = {
  scenarios: {
    sale: {
      executor: 'per-vu-iterations',
      vus: VUS,
      iterations: 1,
      maxDuration: __ENV.DURATION || '30m',
    },
  },
  thresholds: {
    http_req_failed: ['rate==0'],
    checks: ['rate==1'],
    http_req_duration: ['p(95)<2000'],
    'http_req_duration{name:/api/v1/reservations/{reservationId}/confirm}': ['p(95)<2000'],
    seats_sold: ['count>0'],
  },
  summaryTrendStats: STATS,
};

function allSchedules() {
  const concerts = get('/api/v1/concerts').json('data');
  return concerts.flatMap((concert) => get(`/api/v1/concerts/${concert.concertId}/schedules`, null,
    '/api/v1/concerts/{concertId}/schedules').json('data'));
}

export function setup() {
  const free = allSchedules().reduce((sum, schedule) => sum + schedule.availableSeats, 0);
  check(free, { 'there are seats to sell': (n) => n > 0 });
  return { run: newRun(), free };
}

function think() {
  sleep(Math.random() * THINK_S);
}

function leave(token) {
  const left = del('/api/v1/queue/tokens/me', token);
  check(left, { 'leave: 204': (r) => r.status === 204 });
}

// DONE follows a purchase within a second.
function checkDone(token) {
  let status = '';
  for (let look = 0; look < 20 && status !== 'DONE'; look++) {
    status = get('/api/v1/queue/tokens/me', token).json('data.status');
    if (status !== 'DONE') {
      sleep(0.1);
    }
  }
  check(status, { 'ticket: DONE': (s) => s === 'DONE' });
}

// One buyer. False when there was nothing left to buy.
function buy(userId) {
  const token = waitForAdmission(userId, PATIENCE_S, (ms) => waited.add(ms));
  if (!check(token, { 'admitted': (t) => t !== null })) {
    return true;
  }
  buyers.add(1);
  think();
  const open = openSchedules();
  const reservation = open.length === 0 ? null
    : holdSeats(choose(open, 1)[0].scheduleId, randomId(SEATS_MAX), token);
  if (reservation === null) {
    leave(token);
    return open.length > 0;
  }
  think();
  if (Math.random() < LEAVE) {
    const released = del(`/api/v1/reservations/${reservation.reservationId}`, token,
      '/api/v1/reservations/{reservationId}');
    check(released, { 'release: 204': (r) => r.status === 204 });
    leave(token);
    return true;
  }
  if (pay(userId, reservation, token)) {
    seatsSold.add(reservation.seatIds.length);
    checkDone(token);
  }
  return true;
}

export default function ({ run }) {
  for (let looks = 0; looks < LAST_LOOKS;) {
    if (buy(newUserId(run))) {
      looks = 0;
    } else {
      looks++;
      sleep(1);
    }
  }
}

export function teardown({ run }) {
  const schedules = allSchedules();
  const left = schedules.reduce((sum, schedule) => sum + schedule.availableSeats, 0);
  check(left, { 'sold out': (n) => n === 0 });
  const token = waitForAdmission(newUserId(run), PATIENCE_S);
  for (const { scheduleId } of schedules) {
    const answer = get(`/api/v1/schedules/${scheduleId}/seats?limit=10000`, token,
      '/api/v1/schedules/{scheduleId}/seats');
    check(answer, {
      'every seat is sold': (r) => r.json('data.seats').every((s) => s.seatStatus === 'RESERVED'),
    });
  }
}
