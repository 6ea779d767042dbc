// The confirm storm: every VU confirms random reservations, again and again. A repeat of a
// confirmed one is answered the same and costs nothing.
//
//   boxoffice serve --demo --demo-holds 10000 --open-confirm
//   k6 run k6s/stressTest.js          [-e BASE_URL=… -e VUS=50 -e DURATION=5m -e IDS=10000]
import { check } from 'k6';
import { closedLoop, number, post, randomId } from './lib.js';

const IDS = number('IDS', 10000);

export const options = closedLoop(number('VUS', 50), __ENV.DURATION || '5m');

export default function () {
  const reservationId = randomId(IDS);
  const answer = post('/reservations/confirm', { reservationId });
  check(answer, {
    'confirm: 200': (r) => r.status === 200,
    'confirm: CONFIRMED': (r) => r.json('data.status') === 'CONFIRMED',
    'confirm: the same reservation': (r) => r.json('data.reservationId') === reservationId,
  });
}
