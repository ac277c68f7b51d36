// Clients that hammer all gateways and count what they are told.
export function startLoad({ gateways, key, clients, model = 'bill/m', maxTokens = 50, abortShare = 0.1, paused = () => false }) {
  const counts = {};
  const late = [];
  let stop = false;
  const count = (what) => { counts[what] = (counts[what] ?? 0) + 1; };

  async function one(i, n) {
    const stream = n % 2 === 0;
    const abort = Math.random() < abortShare;
    const gateway = gateways[(i + n) % gateways.length];
    const controller = new AbortController();
    const body = JSON.stringify({ model, max_tokens: maxTokens, stream, messages: [{ role: 'user', content: 'x' }] });
    try {
      const r = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: 'POST', body, signal: controller.signal, headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' } });
      if (abort && r.status === 200) {
        const reader = r.body.getReader();
        await reader.read();
        controller.abort();
        count('aborted');
        return;
      }
      const text = await r.text();
      const code = r.status === 200 ? '200' : `${r.status} ${JSON.parse(text).error?.code}`;
      count(code);
      if (r.status !== 200) late.push({ at: Date.now(), code, gateway: gateway.name });
      if (r.status === 429 && code.includes('exceeded')) await new Promise((ok) => setTimeout(ok, 20));
    } catch (e) {
      if (abort) { count('aborted'); return; }
      count(`broken ${gateway.name}`);
      late.push({ at: Date.now(), code: 'broken', gateway: gateway.name });
      await new Promise((ok) => setTimeout(ok, 20));
    }
  }

  const all = Array.from({ length: clients }, async (_, i) => {
    for (let n = 0; !stop; n++) {
      if (paused()) await new Promise((ok) => setTimeout(ok, 20));
      else await one(i, n);
    }
  });
  return { counts, late, stop: async () => { stop = true; await Promise.all(all); } };
}
