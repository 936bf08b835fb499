import { Agent, request } from 'node:http';
import { createDeployment } from '../../test/helpers/deployment.ts';
import { PASSWORD, signUp } from '../../test/helpers/http-call.ts';
import { median, ms, report } from '../measure.ts';

const REQUESTS = 4000;
const SIGN_INS = 30;
const NO_LIMIT = '100000000';

/** What the check of a session adds to a request, and whether a failed sign-in tells if there is such an account. */
export async function benchSessionCheck(): Promise<boolean> {
  const fathom = await createDeployment({
    RATE_LIMIT_PER_MINUTE: NO_LIMIT,
    SIGN_IN_FAILURES_PER_ACCOUNT: NO_LIMIT,
    SIGN_IN_FAILURES_PER_ADDRESS: NO_LIMIT,
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  try {
    await fathom.start();
    const { token } = await signUp(fathom.url, 'ann@example.com');
    const without: number[] = [];
    const checked: number[] = [];
    // Turn by turn, so that both see the same machine; the first are for the compiler.
    for (let turn = -500; turn < REQUESTS; turn += 1) {
      const plain = await timed(agent, fathom.url, {});
      const own = await timed(agent, fathom.url, { authorization: `Bearer ${token}` });
      if (turn < 0) continue;
      without.push(plain);
      checked.push(own);
    }
    const added = median(checked) - median(without);
    const met = report({
      name: 'session check',
      compares: 'GET /health with a session against the same without, one connection, turn by turn',
      value: added,
      bar: 0.15,
      unit: ' ms',
      details: `medians ${median(checked).toFixed(3)} ms and ${median(without).toFixed(3)} ms, ${REQUESTS} each`,
    });

    const known: number[] = [];
    const unknown: number[] = [];
    for (let turn = 0; turn < SIGN_INS; turn += 1) {
      known.push(await failedSignIn(fathom.url, 'ann@example.com'));
      unknown.push(await failedSignIn(fathom.url, `nobody${turn}@example.com`));
    }
    const apart = Math.abs(median(known) / median(unknown) - 1) * 100;
    return (
      report({
        name: 'failed sign-in, known and unknown address',
        compares: 'by how much the medians of the two differ',
        value: apart,
        bar: 15,
        unit: ' %',
        details: `medians ${ms(median(known))} and ${ms(median(unknown))}, ${SIGN_INS} each`,
      }) && met
    );
  } finally {
    agent.destroy();
    await fathom.dispose();
  }
}

function timed(agent: Agent, url: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const call = request(`${url}/health`, { agent, headers }, (response) => {
      response.resume();
      response.once('end', () => {
        if (response.statusCode === 200) resolve(performance.now() - start);
        else reject(new Error(`answered ${response.statusCode}`));
      });
    });
    call.once('error', reject);
    call.end();
  });
}

async function failedSignIn(url: string, email: string): Promise<number> {
  const start = performance.now();
  const response = await fetch(`${url}/api/v1/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email, password: `${PASSWORD}x` }),
  });
  await response.text();
  if (response.status !== 401) throw new Error(`answered ${response.status}`);
  return performance.now() - start;
}
