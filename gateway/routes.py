"""The routes of the gateway, first match first: health, the description, gRPC, REST, and refusals of the rest."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from gateway import headers
from gateway.rest import ADMINISTRATIVE, SERVICES, Binding, bindings

Route = dict[str, Any]

GET_AND_HEAD = "GET, HEAD"
HEALTH_PATHS = ("/events/health", "/analytics/health", "/api/analytics/health")
ALIAS = "/api"
"""An optional prefix of all REST paths, for callers that have the service behind their own API; template/request.lua
removes it."""
JSON_TIMEOUT_S = 30
"""A report that takes longer is answered with 504, and cancelled on the server."""
TIMEOUT_MARGIN_S = 2
"""The server's own answer to a deadline says more than the gateway's."""
MAX_JSON_CALL_S = 60
"""Ends a body that trickles in."""
GRPC_IDLE_S = 300
"""A stream of events may pause for so long."""

JSON_BODY = r"(?i)((application/([\w.+-]+\+)?json|text/plain)\s*(;.*)?)?"
"""Accepted content types of a body: JSON, text, which navigator.sendBeacon sends for strings, or none."""

_NOT_JSON = {
    "name": "content-type",
    "string_match": {"safe_regex": {"regex": JSON_BODY}},
    "treat_missing_header_as_empty": True,
    "invert_match": True,
}
_NOT_UNPACKED = {
    "name": "content-encoding",
    "string_match": {"safe_regex": {"regex": r"(?i)(gzip|identity)?"}},
    "treat_missing_header_as_empty": True,
    "invert_match": True,
}
_READS = {"name": ":method", "string_match": {"safe_regex": {"regex": "GET|HEAD"}}}
_GRPC = {"name": "content-type", "string_match": {"prefix": "application/grpc"}}
"""gRPC and gRPC-web."""
_OFF = {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": True}
_FOR_REST = ("envoy.filters.http.buffer", "envoy.filters.http.lua", "envoy.filters.http.grpc_json_transcoder")
"""Filters that a gRPC call goes past."""
_UNTRANSCODED = {"envoy.filters.http.grpc_json_transcoder": _OFF, "envoy.filters.http.buffer": _OFF}
"""For what the gateway answers by itself: the transcoder looks at a request before its route does."""
_UNREAD = (
    *("cookie", "referer", "user-agent", "accept", "accept-encoding", "accept-language"),
    *("x-forwarded-proto", "x-forwarded-for", "x-envoy-external-address", "x-envoy-original-method"),
)
"""Headers of a REST call that the server never reads: it accepts 8 KB in all, and a portal's cookies may have
as many."""
_OF_GRPC = ("grpc-status", "grpc-message", "grpc-status-details-bin", "grpc-accept-encoding")
"""Headers and trailers of the server's answer that mean nothing to REST callers."""
_WITHOUT_GRPC = {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute",
    "mutations": {
        place: [{"remove": name} for name in _OF_GRPC]
        for place in ("response_mutations", "response_trailers_mutations")
    },
}


_AUTHORITY = {
    "header": {"key": headers.AUTHORITY, "value": "%REQ(:AUTHORITY)%"},
    "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
}
_NO_STORE = {
    "header": {"key": "cache-control", "value": "no-store"},
    "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
}
"""For every answer of a server: it may be about people, and the next one has other figures."""
SERVER, ADMIN = "server", "admin"
"""The clusters of template/cluster.yaml: the servers as callers reach them, and as operators do."""


def build_routes(
    *, openapi: str, origins: Sequence[dict[str, Any]], with_reflection: bool, administrative: bool
) -> list[Route]:
    """Build Envoy's routes.

    Args:
        openapi: the description to serve at /openapi.json.
        origins: Envoy's matchers of the origins whose pages may call.
        with_reflection: whether gRPC callers may ask for the services' descriptors.
        administrative: whether the administrative services are there, too.
    """
    grpc_services = [(service.full_name, SERVER) for service in SERVICES] + [("grpc.health.v1.Health", SERVER)]
    operators = ADMINISTRATIVE if administrative else ()
    grpc_services += [(service.full_name, ADMIN) for service in operators]
    if with_reflection:
        grpc_services.append(("grpc.reflection.v1alpha.ServerReflection", ADMIN if administrative else SERVER))
    return [
        *(_preflight(origin) for origin in origins),
        *(_health(path) for path in HEALTH_PATHS),
        *(_refusal({"path": path}, 405, allow=GET_AND_HEAD) for path in HEALTH_PATHS),
        _description(openapi),
        _refusal({"path": "/openapi.json"}, 405, allow=GET_AND_HEAD),
        *(_grpc(name, cluster) for name, cluster in grpc_services),
        *_rest([*bindings(operators, ADMIN), *bindings(SERVICES, SERVER)]),
        _refusal({"prefix": "/"}, 404),
    ]


def _preflight(origin: dict[str, Any]) -> Route:
    """Route a browser's preflight request; the CORS filter answers it if the route exists."""
    asked = {"name": "access-control-request-method", "present_match": True}
    return {
        "match": {"prefix": "/", "headers": [_method("OPTIONS"), asked, {"name": "origin", "string_match": origin}]},
        # The filter answers by itself.
        "route": {"cluster": SERVER},
        "typed_per_filter_config": _UNTRANSCODED,
    }


def _health(path: str) -> Route:
    return {
        "match": {"path": path, "headers": [_READS]},
        # The filter answers by itself.
        "direct_response": {"status": 503},
        "typed_per_filter_config": {"envoy.filters.http.lua": _lua("health"), **_UNTRANSCODED},
    }


def _description(openapi: str) -> Route:
    return {
        "match": {"path": "/openapi.json", "headers": [_READS]},
        "direct_response": {"status": 200, "body": {"inline_string": openapi}},
        "response_headers_to_add": [_header("content-type", "application/json")],
        "typed_per_filter_config": _UNTRANSCODED,
    }


def _grpc(service: str, cluster: str) -> Route:
    return {
        "match": {"prefix": f"/{service}/", "headers": [_GRPC]},
        # The caller's own deadline applies, and a stream has no time limit.
        "route": {"cluster": cluster, "timeout": "0s", "idle_timeout": f"{GRPC_IDLE_S}s"},
        "request_headers_to_remove": list(headers.FROM_GATEWAY),
        "request_headers_to_add": [_AUTHORITY],
        "response_headers_to_add": [_NO_STORE],
        "typed_per_filter_config": dict.fromkeys(_FOR_REST, _OFF),
    }


def _rest(all_bindings: Iterable[Binding]) -> list[Route]:
    routes = []
    for path, group in groupby(all_bindings, key=lambda binding: binding.path):
        found = list(group)
        methods = [binding.method for binding in found]
        for alias in ("", ALIAS):
            for binding in (replace(one, path=alias + path) for one in found):
                method = binding.method
                if method == "POST":
                    routes += [_refusal(_match(binding, wrong), 415) for wrong in (_NOT_JSON, _NOT_UNPACKED)]
                if not alias:
                    routes.append(_plain_call(binding))
                routes.append(_json_call(binding, "request"))
                if method == "GET":
                    routes.append(_head_call(binding))
            allow = ", ".join(GET_AND_HEAD if method == "GET" else method for method in methods)
            routes.append(_refusal(_match(replace(found[0], method="", path=alias + path)), 405, allow=allow))
    return routes


def _plain_call(binding: Binding) -> Route:
    """Route a call without a query, which the transcoder can handle alone: mostly events."""
    route = _json_call(binding, "")
    route["match"]["headers"].append({"name": ":path", "string_match": {"contains": "?"}, "invert_match": True})
    route["request_headers_to_remove"].append(headers.QUERY)
    return route


def _head_call(binding: Binding) -> Route:
    route = _json_call(replace(binding, method="HEAD"), "head")
    # Compressed, no body would be one of 20 bytes.
    route["typed_per_filter_config"]["envoy.filters.http.compressor"] = _OFF
    return route


def _json_call(binding: Binding, script: str) -> Route:
    """Route a REST call to the server.

    Args:
        binding: its method and path.
        script: the Lua script that prepares it; empty for that which every call has, for its errors.
    """
    return {
        "match": _match(binding),
        "route": {
            "cluster": binding.cluster,
            "timeout": f"{JSON_TIMEOUT_S + TIMEOUT_MARGIN_S}s",
            # A caller that waits for a report does not move either.
            "idle_timeout": f"{JSON_TIMEOUT_S + TIMEOUT_MARGIN_S}s",
            "max_stream_duration": {"max_stream_duration": f"{MAX_JSON_CALL_S}s"},
        },
        "request_headers_to_remove": list(_UNREAD),
        "request_headers_to_add": [
            _AUTHORITY,
            _header(headers.JSON_CALL, "1"),
            _header(headers.CLIENT_ADDRESS, "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
            _header("grpc-timeout", f"{JSON_TIMEOUT_S}S"),
        ],
        "response_headers_to_add": [_NO_STORE],
        "typed_per_filter_config": {
            "envoy.filters.http.header_mutation": _WITHOUT_GRPC,
            **({"envoy.filters.http.lua": _lua(script)} if script else {}),
        },
    }


def _lua(script: str) -> dict[str, Any]:
    """Choose one of the scripts that template/envoy.yaml names."""
    return {"@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute", "name": script}


def _match(binding: Binding, *more: dict[str, Any]) -> dict[str, Any]:
    path = {"safe_regex": {"regex": binding.pattern}} if binding.pattern else {"path": binding.path}
    return {**path, "headers": [*([_method(binding.method)] if binding.method else []), *more]}


def _refusal(match: dict[str, Any], status: int, *, allow: str | None = None) -> Route:
    """Answer with a status; the local replies of gateway/replies.py give it its body."""
    route: Route = {
        "match": match,
        "direct_response": {"status": status},
        "typed_per_filter_config": _UNTRANSCODED,
    }
    if allow:
        route["response_headers_to_add"] = [_header("allow", allow)]
    return route


def _method(name: str) -> dict[str, Any]:
    return {"name": ":method", "string_match": {"exact": name}}


def _header(name: str, value: str) -> dict[str, Any]:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
