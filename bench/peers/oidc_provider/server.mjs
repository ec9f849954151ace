// oidc-provider with the device flow and a Map as its store, following the documentation of adapters.
// Its own memory adapter keeps only the last 1,000 entries, which is not enough for a fleet.
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const entries = new Map();
const userCodes = new Map();
const grants = new Map();

class MapAdapter {
  constructor(model) { this.model = model; }

  key(id) { return `${this.model}:${id}`; }

  async upsert(id, payload) {
    const key = this.key(id);
    entries.set(key, payload);
    if (payload.userCode) userCodes.set(payload.userCode, id);
    if (payload.grantId) {
      const members = grants.get(payload.grantId);
      if (members) members.push(key); else grants.set(payload.grantId, [key]);
    }
  }

  async find(id) { return entries.get(this.key(id)); }

  async findByUserCode(code) { return this.find(userCodes.get(code)); }

  async findByUid(uid) {
    for (const payload of entries.values()) if (payload.uid === uid) return payload;
    return undefined;
  }

  async consume(id) { entries.get(this.key(id)).consumed = Math.floor(Date.now() / 1000); }

  async destroy(id) { entries.delete(this.key(id)); }

  async revokeByGrantId(grantId) {
    for (const key of grants.get(grantId) ?? []) entries.delete(key);
    grants.delete(grantId);
  }
}

const port = Number(process.env.PORT);
const issuer = `http://127.0.0.1:${port}`;
const provider = new Provider(issuer, {
  adapter: MapAdapter,
  clients: [{
    client_id: 'talos',
    token_endpoint_auth_method: 'none',
    grant_types: ['urn:ietf:params:oauth:grant-type:device_code'],
    redirect_uris: [],
    response_types: [],
  }],
  cookies: { keys: ['a key for measurements'] },
  features: { deviceFlow: { enabled: true }, devInteractions: { enabled: false } },
  extraParams: ['uuid', 'mac', 'serial', 'hostname', 'code'],
  ttl: { DeviceCode: 3600 },
});
createServer(provider.callback()).listen(port, '127.0.0.1', 4096);
