// A real OpenID provider with the device flow on, for tests: in memory, on a free loopback port.
// It prints one line of JSON with its issuer when it listens. Its own development pages are the sign-in and consent.
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
const client = (clientId, method, secret) => ({
  client_id: clientId,
  ...(secret ? { client_secret: secret } : {}),
  token_endpoint_auth_method: method,
  grant_types: [DEVICE],
  redirect_uris: [],
  response_types: [],
});

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      client('machines', 'none'),
      client('machines-basic', 'client_secret_basic', 's3cr+t/&='),
      client('machines-post', 'client_secret_post', 's3cr+t/&='),
    ],
    cookies: { keys: ['a key for tests'] },
    features: {
      deviceFlow: { enabled: true },
      devInteractions: { enabled: true },
      introspection: { enabled: true },
    },
    // What the machine sends with its request is kept with the grant.
    extraParams: ['uuid', 'mac', 'serial', 'hostname', 'code'],
    findAccount: async (_ctx, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  });
  server.on('request', provider.callback());
  console.log(JSON.stringify({ issuer }));
});
