// A real OpenID provider with the device flow, for tests. It keeps everything in memory and listens on loopback.
// It prints one line of JSON with its issuer once it listens. Its development pages are used for sign-in and consent.
// Its argument is JSON: the port (0: a free one), the lifetime of a code in seconds, the URL of bootgrant's pages, and the
// URL of the server that gets logout calls (empty: the same). POST /removed/NAME removes a person.
import { createServer, request } from 'node:http';
import Provider from 'oidc-provider';

const { port, codeLife, pagesUrl, logoutUrl } = JSON.parse(process.argv[2]);
const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
const client = (clientId, method, secret) => ({
  client_id: clientId,
  ...(secret ? { client_secret: secret } : {}),
  token_endpoint_auth_method: method,
  grant_types: [DEVICE],
  redirect_uris: [],
  response_types: [],
});

// With a pagesUrl, there is also a client with which people sign in to the pages there, through the provider "corp".
const pages = pagesUrl ? [{
  client_id: 'pages',
  client_secret: 's3cr+t/&=',
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  redirect_uris: [`${pagesUrl}/login/oidc/corp/callback`],
  post_logout_redirect_uris: [`${pagesUrl}/login`],
  backchannel_logout_uri: `${pagesUrl}/login/oidc/corp/logout`,
  backchannel_logout_session_required: true,
}] : [];
// A person who signs in as ana.boot-admins.fra is in the groups boot-admins and fra.
const person = (id) => ({ sub: id, preferred_username: id.split('.')[0], groups: id.split('.').slice(1) });

const removed = new Set();

// fetch sets the Host of the address that it connects to, so this is a plain request.
const postElsewhere = (url, body) => new Promise((resolve, reject) => {
  const headers = { host: new URL(url).host, 'content-type': 'application/x-www-form-urlencoded' };
  const call = request(url.replace(pagesUrl, logoutUrl), { method: 'POST', headers }, (answer) => {
    answer.resume();
    resolve(new Response(null, { status: answer.statusCode }));
  });
  call.on('error', reject);
  call.end(String(body));
});

const server = createServer();
server.listen(port, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      client('machines', 'none'),
      client('machines-basic', 'client_secret_basic', 's3cr+t/&='),
      client('machines-post', 'client_secret_post', 's3cr+t/&='),
      ...pages,
    ],
    cookies: { keys: ['a key for tests'] },
    features: {
      backchannelLogout: { enabled: true },
      deviceFlow: { enabled: true },
      devInteractions: { enabled: true },
      introspection: { enabled: true },
      // An audience that the machine names makes the access token a JWT for it (RFC 9068).
      resourceIndicators: {
        enabled: true,
        defaultResource: async (ctx) => ctx.oidc.params?.audience,
        useGrantedResource: async () => true,
        getResourceServerInfo: async (_ctx, audience) => ({ audience, scope: 'openid', accessTokenFormat: 'jwt' }),
      },
    },
    // What the machine sends with its request is kept with the grant.
    extraParams: ['uuid', 'mac', 'serial', 'hostname', 'code', 'audience'],
    ttl: { DeviceCode: codeLife },
    findAccount: async (_ctx, id) => (
      removed.has(id) ? undefined : { accountId: id, claims: async () => person(id) }
    ),
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    // Without its dispatcher, which refuses to call loopback addresses. A logout call reaches another server under the
    // same name, as behind a load balancer.
    fetch: (url, { dispatcher, ...options }) => (logoutUrl ? postElsewhere(url, options.body) : fetch(url, options)),
    claims: { openid: ['sub'], profile: ['preferred_username', 'groups'] },
  });
  const answer = provider.callback();
  server.on('request', (asked, response) => {
    const gone = asked.method === 'POST' && /^\/removed\/(.+)$/.exec(asked.url);
    if (!gone) return answer(asked, response);
    removed.add(gone[1]);
    return response.writeHead(204).end();
  });
  console.log(JSON.stringify({ issuer }));
});
