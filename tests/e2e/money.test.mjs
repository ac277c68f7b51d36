// The promise: a team cannot spend a cent more than its budget, however many nodes it talks to.
import assert from 'node:assert';
import test from 'node:test';
import { Billing } from './lib/billing.mjs';
import { Cluster } from './lib/cluster.mjs';
import { startLoad } from './lib/load.mjs';

const USD = 10n ** 12n;
const WORST = USD / 200n; // half a cent: 50 tokens of output at 100 USD a million
const ACTUAL = USD / 1000n; // a tenth of a cent: 10 tokens
const pusd = (text) => {
  const [whole, part = ''] = text.split('.');
  return BigInt(whole) * USD + BigInt(part.padEnd(12, '0'));
};

async function world(t) {
  const cluster = await Cluster.start();
  t.after(() => cluster.stop());
  const bill = await Billing.start({ costPusd: ACTUAL, tokens: 10 });
  t.after(() => bill.stop());
  await cluster.apply(
    { kind: 'team', name: 'a', spec: {} },
    { kind: 'provider', name: 'bill', spec: { dialect: 'openai', base_url: bill.url, reasoning_bounded: true } },
    { kind: 'model', name: 'bill/m', spec: { input_usd_per_mtok: 0, output_usd_per_mtok: 100, max_output_tokens: 50 } },
    { kind: 'budget', name: 'a', spec: { match: { team: 'a' }, unit: 'usd', limit: 1, window: { every: 'once' }, mode: 'hard' } });
  const key = (await cluster.key({ team: 'a' })).secret;
  const gateways = cluster.nodes.map((n) => ({ name: n.name, url: cluster.gatewayUrl(n) }));
  await cluster.until('every gateway knows the key', async () => {
    const all = await Promise.all(gateways.map((g) => fetch(`${g.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })));
    return all.every((r) => r.status === 200);
  });
  return { cluster, bill, key, gateways };
}

// bill <= spent + held + presumed <= 1 USD; the bill is read first: it only grows.
async function checkOnce({ cluster, bill }, seen) {
  const billed = bill.billed;
  const s = await cluster.admin('GET', 'budgets/a/status').catch(() => null);
  if (!s) return;
  const charged = pusd(s.spent) + pusd(s.held) + pusd(s.presumed);
  assert.ok(billed <= charged, `billed ${billed} is more than charged ${charged}: ${JSON.stringify(s)}`);
  assert.ok(charged <= USD, `charged ${charged} is more than the budget: ${JSON.stringify(s)}`);
  seen.checks++;
}

async function watch(w, seen, done) {
  while (!done()) {
    await checkOnce(w, seen);
    await new Promise((ok) => setTimeout(ok, 30));
  }
}

async function drained({ cluster, bill }) { // All that was held is settled or given back.
  await cluster.until('nothing is in flight', async () => {
    const s = await cluster.admin('GET', 'budgets/a/status');
    return pusd(s.spent) >= bill.billed && pusd(s.left) < WORST;
  }, 30000).catch(() => {});
  return cluster.admin('GET', 'budgets/a/status');
}

test('one dollar, three gateways, 64 clients: never over, all but a little is used', { timeout: 120000 }, async (t) => {
  const w = await world(t);
  const seen = { checks: 0 };
  let over = false;
  const load = startLoad({ ...w, clients: 64 });
  const watching = watch(w, seen, () => over);
  await w.cluster.until('the budget is spent', async () => pusd((await w.cluster.admin('GET', 'budgets/a/status')).left) < WORST, 60000);
  await new Promise((ok) => setTimeout(ok, 10000)); // Ten seconds of trying for the rest.
  await load.stop();
  over = true;
  await watching;
  const s = await drained(w);
  console.log('counts', load.counts, 'checks', seen.checks, 'billed', w.bill.billed, 'requests', w.bill.requests, 'spent', s.spent, 'held', s.held);
  const odd = Object.keys(load.counts).filter((c) => !['200', 'aborted', '429 budget_reserved', '429 budget_exceeded'].includes(c));
  assert.deepEqual(odd, []);
  assert.ok(w.bill.billed <= USD);
  assert.ok(w.bill.billed * 100n >= USD * 97n, `only ${w.bill.billed} was used`);
  assert.ok(seen.checks > 20);
});

test('the same with the leader killed in the middle and started again', { timeout: 180000 }, async (t) => {
  const w = await world(t);
  const seen = { checks: 0 };
  let over = false;
  const load = startLoad({ ...w, clients: 64 });
  const watching = watch(w, seen, () => over);
  await w.cluster.until('a third is spent', async () => w.bill.billed > USD / 3n, 60000);
  const leader = await w.cluster.leader();
  const killedAt = Date.now();
  await w.cluster.kill(leader);
  await w.cluster.leader(); // The others agree on a new one.
  const quorumAt = Date.now();
  await new Promise((ok) => setTimeout(ok, 2000));
  w.cluster.run(leader);
  await w.cluster.ready([leader]);
  const backAt = Date.now();
  await w.cluster.until('the budget is spent', async () => {
    const s = await w.cluster.admin('GET', 'budgets/a/status');
    return pusd(s.left) < WORST * 20n;
  }, 60000).catch(() => {});
  await new Promise((ok) => setTimeout(ok, 10000));
  await load.stop();
  over = true;
  await watching;
  const s = await drained(w);
  console.log('counts', load.counts, 'checks', seen.checks, 'billed', w.bill.billed, 'spent', s.spent, 'held', s.held, 'presumed', s.presumed, 'leader gone for', backAt - killedAt, 'ms, no leader for', quorumAt - killedAt, 'ms');
  assert.ok(w.bill.billed <= USD);
  assert.ok(w.bill.billed * 100n >= USD * 90n, `only ${w.bill.billed} was used`);
  const survivors = load.late.filter((x) => x.gateway !== leader.name);
  const odd = survivors.filter((x) => !/budget_(reserved|exceeded|unavailable)/.test(x.code));
  assert.deepEqual(odd, [], 'the surviving gateways answer 200 or a budget code');
  const unavailable = load.late.filter((x) => x.code.includes('budget_unavailable') && x.at > quorumAt + 3000 && (x.gateway !== leader.name || x.at > backAt + 3000));
  assert.deepEqual(unavailable, [], 'no budget_unavailable once a quorum has existed for 3 s');
});

test('all three killed under load: every acknowledged write is there, the ledger covers the bill', { timeout: 180000 }, async (t) => {
  const w = await world(t);
  const clients = 24;
  const load = startLoad({ ...w, clients });
  const acknowledged = [];
  for (let i = 0; i < 20; i++) {
    await w.cluster.admin('PUT', `teams/t${i}`, {}, w.cluster.nodes[i % 3]);
    acknowledged.push(`t${i}`);
  }
  await w.cluster.until('a third is spent', async () => w.bill.billed > USD / 3n, 60000);
  await Promise.all(w.cluster.nodes.map((n) => w.cluster.kill(n)));
  await load.stop();
  const billed = w.bill.billed;
  for (const n of w.cluster.nodes) w.cluster.run(n);
  await w.cluster.ready();
  const teams = (await w.cluster.admin('GET', 'teams')).items.map((x) => x.name);
  for (const name of acknowledged) assert.ok(teams.includes(name), `${name} was acknowledged and is gone`);
  const s = await w.cluster.until('nothing is presumed', async () => {
    const v = await w.cluster.admin('GET', 'budgets/a/status');
    return v.nodes.every((n) => pusd(n.presumed) === 0n) && pusd(v.held) === 0n ? v : null;
  }, 20000).catch(async () => w.cluster.admin('GET', 'budgets/a/status'));
  const charged = pusd(s.spent) + pusd(s.held) + pusd(s.presumed);
  console.log('counts', load.counts, 'billed', billed, 'spent', s.spent, 'held', s.held, 'presumed', s.presumed);
  assert.ok(charged >= billed, `charged ${charged} for a bill of ${billed}`);
  assert.ok(charged - billed <= BigInt(clients) * WORST, `charged ${charged - billed} too much`);
});
