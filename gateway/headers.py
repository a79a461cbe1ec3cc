"""The headers between gateway and server; callers of the gateway can neither set nor see them."""

JSON_CALL = "analytics-json"
"""Set on REST calls: the server adds the JSON form of its error to the response."""
CLIENT_ADDRESS = "analytics-client-address"
"""Set on REST calls: the caller's address."""
QUERY = "analytics-query"
"""Set on REST calls with a query: the query as its caller wrote it, percent-encoded."""
AUTHORITY = "analytics-authority"
"""Set on every call: the name and port by which it was made."""
JSON_ERROR = "analytics-error"
"""Set by the server on the response to a REST call that failed: the body for its caller."""
NOT_BEGUN = "analytics-not-begun"
"""Set by the server on a response to a call that it refused unprocessed: the call may go to another server."""

FROM_GATEWAY = (JSON_CALL, CLIENT_ADDRESS, QUERY)
"""The headers that only the gateway may send to the server."""
