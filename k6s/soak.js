// Hours of moderate load: buyers hold, pay, look at their transactions, and bring their tickets back,
// so that the sale never ends. At the end nothing may have been restarted, and no process may have
// grown by more than GROWTH_MIB.
//
//   boxoffice serve --demo
//   k6 run k6s/soak.js        [-e BASE_URL=… -e RATE=20 -e DURATION=2h -e VUS_MAX=300
//                              -e GROWTH_MIB=200]
//
// RATE: buyers a second, each with about a dozen requests.
import { check } from 'k6';
import { Counter } from 'k6/metrics';
import {
  choose, confirm, del, get, holdSeats, newRun, newUserId, number, openSchedules, pay, post,
  serverMetric, STATS, waitForAdmission,
} from './lib.js';

const RATE = number('RATE', 20);
const GROWTH_MAX = number('GROWTH_MIB', 200) * 1024 * 1024;
const PATIENCE_S = 60;
const RESIDENT = 'boxoffice_process_resident_bytes';
const RESTARTS = 'boxoffice_process_restarts_total';

const refunds = new Counter('refunds');

export const options = {
  scenarios: {
    soak: {
      executor: 'constant-arrival-rate',
      rate: RATE,
      timeUnit: '1s',
      duration: __ENV.DURATION || '2h',
      preAllocatedVUs: Math.min(RATE * 2, number('VUS_MAX', 300)),
      maxVUs: number('VUS_MAX', 300),
      gracefulStop: '30s',
    },
  },
  thresholds: {
    http_req_failed: ['rate==0'],
    checks: ['rate==1'],
    http_req_duration: ['p(95)<500', 'p(99)<2000'],
    dropped_iterations: ['count==0'],
  },
  summaryTrendStats: STATS,
};

export function setup() {
  return { run: newRun(), resident: serverMetric(RESIDENT), restarts: serverMetric(RESTARTS) };
}

export default function ({ run }) {
  const userId = newUserId(run);
  const token = waitForAdmission(userId, PATIENCE_S);
  const open = openSchedules();
  if (!check(token, { 'admitted': (t) => t !== null }) || open.length === 0) {
    return;
  }
  const reservation = holdSeats(choose(open, 1)[0].scheduleId, 1, token);
  if (reservation === null) {
    del('/api/v1/queue/tokens/me', token);
    return;
  }
  if (!pay(userId, reservation, token)) {
    return;
  }
  const path = `/api/v1/reservations/${reservation.reservationId}/cancel`;
  const cancelled = post(path, null, token, '/api/v1/reservations/{reservationId}/cancel');
  check(cancelled, {
    'cancel: the points are back': (r) => r.status === 200 &&
      r.json('data.refundedAmount') === reservation.amount,
  });
  check(confirm(reservation.reservationId, token), {
    'confirm: not after a cancel': (r) => r.status === 409 && r.json('code') === 'reservation-state',
  });
  refunds.add(1);
  const listed = get(`/api/v1/users/${userId}/points/transactions`, token,
    '/api/v1/users/{userId}/points/transactions');
  check(listed, {
    'transactions: refund, use, charge': (r) => r.json('data.transactions')
      .map((transaction) => transaction.type).join() === 'REFUND,USE,CHARGE',
  });
}

export function teardown({ resident, restarts }) {
  const now = serverMetric(RESIDENT);
  for (const [labels, bytes] of Object.entries(resident)) {
    const grown = now[labels] - bytes;
    console.log(`${labels} has grown by ${(grown / 1024 / 1024).toFixed(1)} MiB`);
    check(grown, { 'memory: bounded': (n) => n <= GROWTH_MAX });
  }
  const restarted = Object.entries(serverMetric(RESTARTS))
    .filter(([labels, count]) => count !== restarts[labels]);
  check(restarted, { 'nothing was restarted': (list) => list.length === 0 });
}
