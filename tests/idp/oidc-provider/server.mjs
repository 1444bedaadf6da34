// A real identity server (oidc-provider) for the tests, set up as a bank's gateway
// upstream: it believes the proxy's headers and checks no certificate itself.
//
//   node server.mjs ['{"issuer": "https://bank.example", …}']
//
// Listens on a free loopback port, prints {"port": N} when it is ready, and exits when
// standard input closes, so that it never outlives the test that started it.
// `GET /__seen` tells what reached it for each client: see `remember`.
import * as crypto from 'node:crypto';
import * as http from 'node:http';

console.warn = () => {}; // of an older Node and of the store in memory: both are meant
const { Provider, errors } = await import('oidc-provider');

const settings = {
  issuer: 'https://idp.test',
  initialAccessToken: false, // false | a fixed string | true: tokens of the store, one is printed beside the port
  rotate: false, //             does a PUT give a new registration access token?
  interactions: false, //       pages where anybody signs in and consents
  clients: [], //               clients that are there from the start
  resource: null, //            {"audience", "scope"}: access tokens for it are JWTs of RFC 9068
  ...JSON.parse(process.argv[2] ?? '{}'),
};

// RFC 9440: a byte sequence of RFC 8941, colons around base64 of the DER.
function certificate(ctx) {
  const text = /^:([A-Za-z0-9+/=]+):$/.exec(ctx.get('client-cert'));
  return text ? new crypto.X509Certificate(Buffer.from(text[1], 'base64')) : undefined;
}

const thumbprint = (cert) => crypto.createHash('sha256').update(cert.raw).digest('base64url');

function privateKey(type, options, members) {
  const { privateKey: key } = crypto.generateKeyPairSync(type, options);
  return { ...key.export({ format: 'jwk' }), ...members };
}

// The algorithms of FAPI, and RS256 for regimes before it.
const signing = ['PS256', 'ES256', 'RS256'];
const encryption = ['RSA-OAEP', 'RSA-OAEP-256'];
const contentEncryption = ['A256GCM', 'A128GCM'];

const provider = new Provider(settings.issuer, {
  // No `alg`: the one RSA key serves RS256 and PS256.
  jwks: {
    keys: [
      privateKey('rsa', { modulusLength: 2048 }, { kid: 'rsa', use: 'sig' }),
      privateKey('ec', { namedCurve: 'P-256' }, { kid: 'ec', use: 'sig', alg: 'ES256' }),
      privateKey('rsa', { modulusLength: 2048 }, { kid: 'enc', use: 'enc', alg: 'RSA-OAEP' }),
    ],
  },
  clientAuthMethods: ['private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth', 'client_secret_basic', 'none'],
  clientDefaults: {
    id_token_signed_response_alg: 'PS256',
    authorization_signed_response_alg: 'PS256',
    token_endpoint_auth_method: 'private_key_jwt',
  },
  enabledJWA: {
    clientAuthSigningAlgValues: signing,
    idTokenSigningAlgValues: signing,
    requestObjectSigningAlgValues: signing,
    userinfoSigningAlgValues: signing,
    introspectionSigningAlgValues: signing,
    authorizationSigningAlgValues: signing,
    idTokenEncryptionAlgValues: encryption,
    requestObjectEncryptionAlgValues: encryption,
    userinfoEncryptionAlgValues: encryption,
    authorizationEncryptionAlgValues: encryption,
    idTokenEncryptionEncValues: contentEncryption,
    requestObjectEncryptionEncValues: contentEncryption,
    userinfoEncryptionEncValues: contentEncryption,
    authorizationEncryptionEncValues: contentEncryption,
  },
  extraClientMetadata: {
    properties: ['software_statement', 'software_id', 'software_version', 'software_roles', 'org_id', 'webhook_uris'],
    validator(ctx, name, value) {
      if (name === 'software_statement' && value !== undefined && String(value).split('.').length !== 3) {
        throw new errors.InvalidClientMetadata('software_statement must be a compact JWS');
      }
    },
  },
  scopes: [
    'openid', 'offline_access',
    // Open Finance Brasil, DADOS
    'accounts', 'credit-cards-accounts', 'consents', 'customers', 'invoice-financings', 'financings', 'loans',
    'unarranged-accounts-overdraft', 'resources', 'credit-fixed-incomes', 'exchanges', 'bank-fixed-incomes',
    'variable-incomes', 'treasure-titles', 'funds', 'credit-portability',
    // Open Finance Brasil, PAGTO
    'payments', 'recurring-payments', 'nrp-consents',
    // UK Open Banking
    'fundsconfirmations',
  ],
  acrValues: ['loa2', 'loa3'].flatMap((level) => [`urn:brasil:openbanking:${level}`, `urn:brasil:openinsurance:${level}`]),
  subjectTypes: ['public', 'pairwise'],
  pairwiseIdentifier: (ctx, account, client) =>
    crypto.createHash('sha256').update(`${client.sectorIdentifier} ${account}`).digest('hex'),
  pkce: { required: () => true },
  clients: settings.clients,
  cookies: { keys: [crypto.randomBytes(32).toString('base64url')] },
  features: {
    devInteractions: { enabled: settings.interactions },
    ...(settings.resource && { resourceIndicators: {
      enabled: true,
      defaultResource: () => settings.resource.audience,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ ...settings.resource, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'PS256' } } }),
    } }),
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true, allowedPolicy: () => true },
    registration: { enabled: true, initialAccessToken: settings.initialAccessToken, issueRegistrationAccessToken: true },
    registrationManagement: { enabled: true, rotateRegistrationAccessToken: settings.rotate },
    pushedAuthorizationRequests: { enabled: true },
    requestObjects: { enabled: true },
    jwtResponseModes: { enabled: true },
    jwtUserinfo: { enabled: true },
    encryption: { enabled: true },
    mTLS: {
      enabled: true,
      certificateBoundAccessTokens: true,
      tlsClientAuth: true,
      selfSignedTlsClientAuth: true,
      getCertificate: certificate,
      certificateAuthorized: (ctx) => ctx.get('x-client-cert-verified') === 'SUCCESS',
      certificateSubjectMatches: (ctx, property, expected) =>
        property === 'tls_client_auth_subject_dn' && ctx.get('x-client-cert-subject-dn') === expected,
    },
  },
  findAccount: async (ctx, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  // The guard against private addresses comes as `dispatcher`. The tests' key sets are on
  // loopback, under an authority that NODE_EXTRA_CA_CERTS names, so it is left out.
  fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
});
provider.proxy = true; // endpoints follow X-Forwarded-Proto and X-Forwarded-Host

const seen = {};

// For each client: its last request, why it was refused if it was, and the thumbprint of the
// last certificate that came with one.
async function remember(ctx, next) {
  await next();
  const client = ctx.oidc?.client?.clientId;
  if (client === undefined) return;
  const cert = certificate(ctx);
  seen[client] = {
    ...seen[client],
    route: ctx.oidc.route,
    status: ctx.status,
    headers: ctx.headers,
    refusal: ctx.refusal,
    ...(cert && { 'x5t#S256': thumbprint(cert) }),
  };
}
provider.use(remember);
provider.on('server_error', (ctx, error) => console.error(error));
for (const event of ['grant', 'pushed_authorization_request', 'registration_create', 'registration_update']) {
  provider.on(`${event}.error`, (ctx, error) => { ctx.refusal = error.error_detail ?? error.error_description; });
}

const answer = provider.callback();
const server = http.createServer((request, response) => {
  if (request.url !== '/__seen') return answer(request, response);
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(seen));
});

process.stdin.on('end', () => process.exit(0)).resume();
server.listen(0, '127.0.0.1', async () => {
  const ready = { port: server.address().port };
  if (settings.initialAccessToken === true) {
    ready.initial_access_token = await new provider.InitialAccessToken({ expiresIn: 3600 }).save();
  }
  console.log(JSON.stringify(ready));
});
