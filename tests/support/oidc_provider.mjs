// A certified OpenID provider (the npm package oidc-provider) on 127.0.0.1 that gives JWT access tokens to one client.
// Prints its issuer when it listens. Run with the folder that node_modules is in as argument.
import { createRequire } from "node:module";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.argv[2]}/`);
const { default: Provider } = await import(pathToFileURL(require.resolve("oidc-provider")));
const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const resource = {
    scope: "iot-sim-fraud-prevention:query sim-swap:check",
    audience: "urn:simwarden",
    accessTokenFormat: "jwt",
    accessTokenTTL: 300,
  };
  const provider = new Provider(issuer, {
    clients: [{
      client_id: "meters@idp",
      client_secret: "secret",
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    }],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: { enabled: true, getResourceServerInfo: () => resource },
    },
  });
  server.on("request", provider.callback());
  console.log(issuer);
});
