// A client generated from openapi.yaml calls the six operations of the tenant at SAIL_BASE_URL.
// If it compiles, the contract's types are usable. If it succeeds, the tenant follows the
// contract.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./build/contract.js";

function env(name: string): string {
  const value = process.env[name];
  assert(value, `${name} is not set`);
  return value;
}

const tenant = env("SAIL_BASE_URL");

async function token(): Promise<string> {
  const response = await fetch(`${tenant}/oauth/token`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "client_credentials",
      client_id: env("SAIL_CLIENT_ID"),
      client_secret: env("SAIL_CLIENT_SECRET"),
    }),
  });
  assert.equal(response.status, 200);
  return ((await response.json()) as { access_token: string }).access_token;
}

const client = createClient<paths>({
  baseUrl: `${tenant}/v2024`,
  headers: { Authorization: `Bearer ${await token()}` },
});

// Create.
const created = await client.POST("/connector-customizers", { body: { name: "made-in-typescript" } });
assert.equal(created.response.status, 201);
const customizer: components["schemas"]["ConnectorCustomizerCreateResponse"] | undefined = created.data;
assert.equal(customizer?.name, "made-in-typescript");
assert(customizer.tenantID);
assert(!Number.isNaN(Date.parse(customizer.created ?? "")));
const id = customizer.id;
assert(id);

// Get.
const got = await client.GET("/connector-customizers/{id}", { params: { path: { id } } });
assert.equal(got.response.status, 200);
assert.equal(got.data?.name, "made-in-typescript");

// Update.
const updated = await client.PUT("/connector-customizers/{id}", {
  params: { path: { id } },
  body: { name: "renamed-in-typescript" },
});
assert.equal(updated.response.status, 200);
assert.equal(updated.data?.name, "renamed-in-typescript");

// Create a version with the shortest zip archive, which has no file.
const archive = new Uint8Array(22);
archive.set([0x50, 0x4b, 0x05, 0x06]);
const version = await client.POST("/connector-customizers/{id}/versions", {
  params: { path: { id } },
  body: "", // the generator's type for binary; the serializer has the bytes
  bodySerializer: () => archive,
  headers: { "Content-Type": "application/zip" },
});
assert.equal(version.response.status, 200);
assert.equal(version.data?.version, 1);
assert.equal(version.data.customizerID, id);
assert(version.data.imageID);

// Create a version without a body, as in the published contract.
const second = await client.POST("/connector-customizers/{id}/versions", { params: { path: { id } } });
assert.equal(second.response.status, 200);
assert.equal(second.data?.version, 2);

// List every page, and the count.
const names: string[] = [];
for (let offset = 0; ; offset += 4) {
  const page = await client.GET("/connector-customizers", {
    params: { query: { offset, limit: 4, count: true } },
  });
  assert.equal(page.response.status, 200);
  assert.equal(page.response.headers.get("X-Total-Count"), "11");
  assert(page.data);
  names.push(...page.data.map((c) => c.name ?? ""));
  if (page.data.length < 4) break;
}
assert.equal(names.length, 11);
assert.equal(names.filter((name) => name === "renamed-in-typescript").length, 1);
const uncounted = await client.GET("/connector-customizers");
assert.equal(uncounted.response.headers.get("X-Total-Count"), null);
assert.equal(uncounted.data?.length, 11);

// Delete.
const deleted = await client.DELETE("/connector-customizers/{id}", { params: { path: { id } } });
assert.equal(deleted.response.status, 204);

// Errors.
const missing = await client.GET("/connector-customizers/{id}", { params: { path: { id } } });
assert.equal(missing.response.status, 404);
const notFound = missing.error as components["schemas"]["ErrorResponseDto"];
assert.match(notFound.detailCode ?? "", /^404/);
assert(notFound.trackingId);
assert(notFound.messages?.[0]?.text);

const invalid = await client.GET("/connector-customizers", { params: { query: { limit: 251 } } });
assert.equal(invalid.response.status, 400);
assert(invalid.error && "messages" in invalid.error && invalid.error.messages?.[0]?.text);

const anonymous = createClient<paths>({ baseUrl: `${tenant}/v2024`, headers: { Authorization: "Bearer nobody" } });
const unauthorized = await anonymous.GET("/connector-customizers");
assert.equal(unauthorized.response.status, 401);
assert(unauthorized.error && "error" in unauthorized.error && unauthorized.error.error);
