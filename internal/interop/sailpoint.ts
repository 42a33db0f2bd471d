// SailPoint's SDK for TypeScript calls the tenant at SAIL_BASE_URL. Its Configuration requests
// the token. The published version has no connector customizers. The class below calls them like
// the SDK's generated classes, with the SDK's runtime and its axios.
import assert from "node:assert/strict";
import { Configuration } from "sailpoint-api-client";
import { BASE_PATH, BaseAPI } from "sailpoint-api-client/dist/v2024/base.js";
import { createRequestFunction, serializeDataIfNeeded, setOAuthToObject } from "sailpoint-api-client/dist/v2024/common.js";

interface Customizer {
  id: string;
  name: string;
  imageVersion?: number;
}

class ConnectorCustomizersApi extends BaseAPI {
  async call<T>(method: string, path: string, data?: object) {
    const headers: Record<string, string> = {};
    await setOAuthToObject(headers, "userAuth", [], this.configuration);
    const axiosOptions: Record<string, unknown> = { method, headers };
    if (data) {
      headers["Content-Type"] = "application/json";
      axiosOptions["data"] = serializeDataIfNeeded(data, axiosOptions, this.configuration);
    }
    const request = createRequestFunction({ url: `/connector-customizers${path}`, axiosOptions }, this.axios, BASE_PATH, this.configuration);
    return request<T>(this.axios, this.basePath);
  }
}

const configuration = new Configuration(); // from SAIL_BASE_URL, SAIL_CLIENT_ID and SAIL_CLIENT_SECRET
assert.match(await (configuration.accessToken as Promise<string>), /^[\w-]+(\.[\w-]+){2}$/);
const api = new ConnectorCustomizersApi(configuration);

const created = await api.call<Customizer>("POST", "", { name: "made-by-sailpoint" });
assert.equal(created.status, 201);
const { id } = created.data;

const listed = await api.call<Customizer[]>("GET", "?limit=250&offset=0");
assert(listed.data.some((c) => c.id === id));

const updated = await api.call<Customizer>("PUT", `/${id}`, { name: "renamed-by-sailpoint" });
assert.equal(updated.data.name, "renamed-by-sailpoint");

const version = await api.call<{ version: number }>("POST", `/${id}/versions`);
assert.equal(version.data.version, 1);

const got = await api.call<Customizer>("GET", `/${id}`);
assert.deepEqual([got.data.name, got.data.imageVersion], ["renamed-by-sailpoint", 1]);

const deleted = await api.call("DELETE", `/${id}`);
assert.equal(deleted.status, 204);
await assert.rejects(api.call("GET", `/${id}`), (error: { response?: { status: number } }) => error.response?.status === 404);
console.log("token, create, list, update, version, get, delete:", configuration.basePath);
