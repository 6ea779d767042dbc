// What the scripts share. Settings come from the environment (k6 run -e NAME=VALUE …).
import http from 'k6/http';
import { check } from 'k6';

export const BASE_URL = __ENV.BASE_URL || 'http://127.0.0.1:8080';

export function number(name, initial) {
  return __ENV[name] ? Number(__ENV[name]) : initial;
}

// 1 … count, evenly
export function randomId(count) {
  return 1 + Math.floor(Math.random() * count);
}

export function post(path, body, token, name) {
  const headers = { 'Content-Type': 'application/json' };
  if (token) {
    headers.Authorization = token;
  }
  return http.post(BASE_URL + path, body === null ? null : JSON.stringify(body), {
    headers,
    tags: { name: name || path },
  });
}

export function get(path, token, name) {
  return http.get(BASE_URL + path, {
    headers: token ? { Authorization: token } : {},
    tags: { name: name || path },
  });
}

export function queueToken(userId) {
  const answer = post('/queue/token', { userId });
  check(answer, { 'token: 200': (r) => r.status === 200 });
  return answer.json('data.queueToken');
}

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
    summaryTrendStats: ['avg', 'min', 'med', 'p(90)', 'p(95)', 'p(99)', 'max'],
  };
}
