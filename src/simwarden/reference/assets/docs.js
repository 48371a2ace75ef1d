// The page around Swagger UI: which document, whose token. Everything comes from this server.
"use strict";

const element = (id) => document.getElementById(id);
const root = new URL(".", location.href).href.replace(/\/$/, "");
let ui = null;
let token = "";
let tokenEndpoint = "";

function say(text, kind) {
  element("state").textContent = text;
  element("state").className = kind || "";
}

// The document as it is, but called at the address this page was opened at, and with the token as a plain bearer token:
// Swagger UI would otherwise offer an OpenID Connect login that this server has no need of.
function prepared(document) {
  for (const server of document.servers || []) {
    if (server.variables && server.variables.apiRoot) server.variables.apiRoot.default = root;
  }
  const schemes = (document.components && document.components.securitySchemes) || {};
  if (schemes.openId) schemes.openId = { type: "http", scheme: "bearer", description: schemes.openId.description };
  return document;
}

function useToken() {
  if (ui && token) ui.preauthorizeApiKey("openId", token);
}

async function show(name) {
  const answer = await fetch(`openapi/${name}.json`);
  if (!answer.ok) return say(`The document ${name} cannot be read (${answer.status}).`, "bad");
  const spec = prepared(await answer.json());
  element("yaml").href = `openapi/${name}.yaml`;
  element("json").href = `openapi/${name}.json`;
  history.replaceState(null, "", `?api=${name}${location.hash}`);
  element("swagger-ui").replaceChildren();
  ui = SwaggerUIBundle({
    spec,
    dom_id: "#swagger-ui",
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    tryItOutEnabled: true,
    validatorUrl: null,
    withCredentials: false,
    onComplete: useToken,
  });
}

async function logIn(event) {
  event.preventDefault();
  const key = element("app-key").value.trim();
  const form = new URLSearchParams({ grant_type: "client_credentials", client_id: key, client_secret: element("app-secret").value.trim() });
  say("Asking for a token …");
  try {
    const answer = await fetch(tokenEndpoint, { method: "POST", body: form });
    const found = await answer.json();
    if (!answer.ok) return say(`No token: ${found.error_description || found.error || answer.status}`, "bad");
    token = found.access_token;
    useToken();
    const scopes = found.scope.split(" ");
    say(`Calls are made as ${key}, for ${Math.round(found.expires_in / 60)} minutes, with ${scopes.length} scopes.`, "good");
    element("state").title = scopes.join("\n");
  } catch (error) {
    say(`No token: the server cannot be reached (${error.message})`, "bad");
  }
}

async function begin() {
  const index = await (await fetch("openapi/")).json();
  tokenEndpoint = new URL(index.token_endpoint, `${root}/openapi/`).href;
  const choice = element("document");
  for (const each of index.documents) choice.add(new Option(`${each.title} ${each.version}`, each.name));
  const wanted = new URLSearchParams(location.search).get("api");
  if (index.documents.some((each) => each.name === wanted)) choice.value = wanted;
  choice.addEventListener("change", () => { history.replaceState(null, "", location.pathname); show(choice.value); });
  element("credentials").addEventListener("submit", logIn);
  await show(choice.value);
}

begin().catch((error) => say(`The documents cannot be read: ${error.message}`, "bad"));
