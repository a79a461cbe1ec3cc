"""The headers between gateway and server; callers of the gateway can neither set nor see them."""

JSON_CALL = "analytics-json"
"""Set on REST calls: the server adds the JSON form of its error to the answer."""
CLIENT_ADDRESS = "analytics-client-address"
"""Set on REST calls: the address of who called."""
QUERY = "analytics-query"
"""Set on REST calls with a query: the query as its caller wrote it, percent-encoded."""
JSON_ERROR = "analytics-error"
"""Set by the server on the answer to a REST call that failed: the body for its caller."""
NOT_BEGUN = "analytics-not-begun"
"""Set by the server on an answer to a call that it turned away untouched: another server may be asked."""

FROM_GATEWAY = (JSON_CALL, CLIENT_ADDRESS, QUERY)
"""What only the gateway may say to the server."""
