// A real cluster on loopback: its own folder, certificates, free ports; nodes can be killed and started again.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

const root = process.env.QUORATE_ROOT ?? path.resolve(import.meta.dirname, '../../..');
const binary = process.env.QUORATED ?? path.join(root, 'build/dev/bin/quorated');

async function freePorts(n) {
  const servers = await Promise.all(
    Array.from({ length: n }, () => new Promise((ok) => {
      const s = net.createServer().listen(0, '127.0.0.1', () => ok(s));
    })));
  const ports = servers.map((s) => s.address().port);
  await Promise.all(servers.map((s) => new Promise((ok) => s.close(ok))));
  return ports;
}

function openssl(dir, ...args) {
  execFileSync('openssl', args, { cwd: dir, stdio: ['ignore', 'ignore', 'ignore'] });
}

function makeCertificates(dir, names) {
  openssl(dir, 'ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'ca.key');
  openssl(dir, 'req', '-x509', '-new', '-key', 'ca.key', '-subj', '/CN=test-ca', '-days', '30', '-out', 'ca.pem');
  for (const name of names) {
    fs.writeFileSync(path.join(dir, 'ext'), `subjectAltName=DNS:${name},DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n`);
    openssl(dir, 'ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${name}.key`);
    openssl(dir, 'req', '-new', '-key', `${name}.key`, '-subj', `/CN=${name}`, '-out', `${name}.csr`);
    openssl(dir, 'x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '30', '-extfile', 'ext', '-out', `${name}.pem`);
  }
}

export class Cluster {
  static async start({ nodes = 3, tls = false, workers = 1 } = {}) {
    const c = new Cluster();
    c.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'quorate-e2e-'));
    c.names = Array.from({ length: nodes }, (_, i) => `n${i + 1}`);
    c.tls = tls;
    makeCertificates(c.dir, c.names);
    c.token = 'e2e-admin-token-0123456789';
    fs.writeFileSync(path.join(c.dir, 'admin.token'), c.token);
    fs.writeFileSync(path.join(c.dir, 'master.key'), Buffer.alloc(32, 7));
    const ports = await freePorts(nodes * 3);
    c.nodes = c.names.map((name, i) => ({
      name, gateway: ports[3 * i], admin: ports[3 * i + 1], peer: ports[3 * i + 2], process: null }));
    for (const n of c.nodes) {
      fs.writeFileSync(path.join(c.dir, `${n.name}.yaml`), `name: ${n.name}
region: local
data_dir: ${n.name}-data
listen: {gateway: "127.0.0.1:${n.gateway}", admin: "127.0.0.1:${n.admin}", peer: "127.0.0.1:${n.peer}"}
${tls ? `tls: {cert: ${n.name}.pem, key: ${n.name}.key}` : ''}
peer_tls: {ca: ca.pem, cert: ${n.name}.pem, key: ${n.name}.key}
cluster: ${n === c.nodes[0] ? '{bootstrap: true}' : `{join: ["127.0.0.1:${c.nodes[0].peer}"]}`}
admin_token_file: admin.token
master_key_file: master.key
workers: ${workers}
raft: {preset: test}
`);
    }
    for (const n of c.nodes) c.run(n);
    await c.ready();
    return c;
  }

  run(n) {
    const log = fs.openSync(path.join(this.dir, `${n.name}.log`), 'a');
    n.process = spawn(binary, ['--config', path.join(this.dir, `${n.name}.yaml`)], { stdio: ['ignore', log, log] });
    fs.closeSync(log);
    n.gone = new Promise((ok) => n.process.once('exit', (code, signal) => { n.process = null; ok({ code, signal }); }));
  }

  async kill(n, signal = 'SIGKILL') {
    n.process.kill(signal);
    return n.gone;
  }

  scheme() { return this.tls ? 'https' : 'http'; }
  gatewayUrl(n) { return `${this.scheme()}://127.0.0.1:${n.gateway}`; }

  async until(what, fn, ms = 60000) {
    const end = Date.now() + ms;
    for (;;) {
      const v = await fn().catch(() => null);
      if (v) return v;
      if (Date.now() > end) throw new Error(`${what}: not within ${ms} ms\n${this.logs()}`);
      await new Promise((ok) => setTimeout(ok, 50));
    }
  }

  ready(nodes = this.nodes) {
    return this.until('the cluster is ready', async () => {
      const all = await Promise.all(nodes.map((n) => fetch(`${this.scheme()}://127.0.0.1:${n.gateway}/readyz`)));
      return all.every((r) => r.status === 200);
    });
  }

  async admin(method, where, body, n = this.nodes.find((x) => x.process)) {
    const r = await fetch(`${this.scheme()}://127.0.0.1:${n.admin}/admin/v1/${where}`, {
      method, headers: { authorization: `Bearer ${this.token}` },
      body: body === undefined ? undefined : JSON.stringify(body) });
    const text = await r.text();
    if (!r.ok) throw new Error(`${method} ${where}: ${r.status} ${text}`);
    return JSON.parse(text);
  }

  apply(...resources) { return this.admin('POST', 'apply', { resources }); }
  key(spec) { return this.admin('POST', 'keys', spec); }

  async leader() {
    return this.until('a leader', async () => {
      for (const n of this.nodes.filter((x) => x.process)) {
        const c = await this.admin('GET', 'cluster', undefined, n).catch(() => null);
        const found = c && this.nodes.find((x) => x.name === c.leader && x.process);
        if (found) return found;
      }
      return null;
    });
  }

  logs() {
    return this.names.map((n) => `--- ${n}\n${fs.readFileSync(path.join(this.dir, `${n}.log`), 'utf8').slice(-3000)}`).join('\n');
  }

  async stop() {
    await Promise.all(this.nodes.filter((n) => n.process).map((n) => this.kill(n)));
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}
