// A spike: buyers arrive on a schedule of their own, far more of them than can be served, whether or
// not those before were answered (open model). Who is not served must be told so at once: 503 with
// Retry-After, nothing else; and before and after the spike everybody is served.
//
//   boxoffice serve --demo
//   k6 run k6s/spike.js       [-e BASE_URL=… -e RATE=20000 -e CALM_RATE=100 -e DURATION=1m
//                              -e CALM=10s -e VUS_MAX=1000]
//
// RATE: buyers a second in the spike, each with three requests; what k6 itself could not start it
// counts as dropped_iterations.
import { check } from 'k6';
import { Counter, Rate } from 'k6/metrics';
import { get, newRun, newUserId, number, post, STATS } from './lib.js';

const VUS_MAX = number('VUS_MAX', 1000);
const CALM_RATE = number('CALM_RATE', 100);
const DURATION = __ENV.DURATION || '1m';
const CALM = __ENV.CALM || '10s';
const SERVED_OR_TOLD = [200, 201, 503];

const served = new Counter('served');
const told = new Counter('told_to_come_again');
const truthful = new Rate('served_or_told');

function seconds(text) {
  const [, value, unit] = text.match(/^([\d.]+)(s|m|h)$/);
  return Number(value) * { s: 1, m: 60, h: 3600 }[unit];
}

function arrivals(rate, startTime, duration, vus) {
  return {
    executor: 'constant-arrival-rate', rate, timeUnit: '1s', startTime, duration,
    preAllocatedVUs: vus, maxVUs: VUS_MAX, gracefulStop: '5s',
  };
}

export const options = {
  scenarios: {
    before: arrivals(CALM_RATE, '0s', CALM, 20),
    spike: arrivals(number('RATE', 20000), CALM, DURATION, VUS_MAX),
    after: arrivals(CALM_RATE, `${seconds(CALM) + seconds(DURATION) + 5}s`, CALM, 20),
  },
  thresholds: {
    served_or_told: ['rate==1'],
    served: ['count>0'],
    'http_req_failed{scenario:before}': ['rate==0'],
    'http_req_failed{scenario:after}': ['rate==0'],
    'http_req_duration{scenario:before}': ['p(95)<2000'],
    'http_req_duration{scenario:spike}': ['p(95)<6000'],
    'http_req_duration{scenario:after}': ['p(95)<2000'],
  },
  summaryTrendStats: STATS,
};

export function setup() {
  return { run: newRun() };
}

// Whether it was served.
function judge(answer) {
  const isServed = answer.status === 200 || answer.status === 201;
  const isTold = answer.status === 503 && Number(answer.headers['Retry-After']) >= 1;
  truthful.add(isServed || isTold);
  check(answer, { 'served, or told to come again': () => isServed || isTold });
  (isServed ? served : told).add(1);
  return isServed;
}

export default function ({ run }) {
  const issued = post('/api/v1/queue/tokens', { userId: newUserId(run) });
  if (judge(issued)) {
    judge(get('/api/v1/queue/tokens/me', issued.json('data.queueToken')));
    judge(get('/concerts/schedule'));
  }
}
