// An independent provider that bills in full whatever the client does. Its own count is the truth.
import http from 'node:http';

export class Billing {
  // Each request costs `costPusd`: it reports one prompt token and `tokens` completion tokens.
  static async start({ costPusd, tokens, chunks = 4, chunkMs = 5 }) {
    const b = new Billing();
    b.costPusd = BigInt(costPusd);
    b.billed = 0n;
    b.requests = 0;
    b.server = http.createServer((req, res) => b.serve(req, res, { tokens, chunks, chunkMs }));
    await new Promise((ok) => b.server.listen(0, '127.0.0.1', ok));
    b.url = `http://127.0.0.1:${b.server.address().port}/v1`;
    return b;
  }

  async serve(req, res, { tokens, chunks, chunkMs }) {
    const parts = [];
    for await (const p of req) parts.push(p);
    const body = JSON.parse(Buffer.concat(parts).toString());
    const usage = { prompt_tokens: 1, completion_tokens: tokens, total_tokens: tokens + 1 };
    this.billed += this.costPusd; // From here on it is owed, whoever listens.
    this.requests++;
    res.on('error', () => {});
    if (!body.stream) {
      await new Promise((ok) => setTimeout(ok, chunkMs * chunks));
      res.setHeader('content-type', 'application/json');
      res.end(JSON.stringify({ id: 'b', object: 'chat.completion', created: 0, model: body.model,
        choices: [{ index: 0, message: { role: 'assistant', content: 'words' }, finish_reason: 'stop' }], usage }));
      return;
    }
    res.setHeader('content-type', 'text/event-stream');
    const event = (o) => res.write(`data: ${JSON.stringify({ id: 'b', object: 'chat.completion.chunk', created: 0, model: body.model, ...o })}\n\n`);
    for (let i = 0; i < chunks; i++) {
      event({ choices: [{ index: 0, delta: { content: 'word ' }, finish_reason: null }] });
      await new Promise((ok) => setTimeout(ok, chunkMs));
    }
    event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
    if (body.stream_options?.include_usage) event({ choices: [], usage });
    res.end('data: [DONE]\n\n');
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((ok) => this.server.close(ok));
  }
}
