"""KeyService: creates, lists, rotates and revokes keys for operators."""

from typing import Any

import grpc

from server.admin.audit import caller_of
from server.admin.keys import KeyDesk
from sociallive.analytics.v1.key_service_pb2 import (
    CreateKeyRequest,
    CreateKeyResponse,
    ListKeysRequest,
    ListKeysResponse,
    RevokeKeyRequest,
    RevokeKeyResponse,
    RotateKeyRequest,
    RotateKeyResponse,
)

Context = grpc.aio.ServicerContext[Any, Any]


class KeyService:
    """Answers the methods of sociallive.analytics.v1.KeyService; errors are the boundary's to translate."""

    def __init__(self, desk: KeyDesk) -> None:
        self._desk = desk

    async def CreateKey(self, request: CreateKeyRequest, context: Context) -> CreateKeyResponse:  # noqa: N802 - the contract's name
        """Create a key, and answer its text once."""
        return await self._desk.create(request.rules, caller_of(context))

    async def ListKeys(self, request: ListKeysRequest, context: Context) -> ListKeysResponse:  # noqa: N802, ARG002 - likewise
        """List keys without their texts."""
        return await self._desk.list(include_ended=request.include_ended)

    async def RotateKey(self, request: RotateKeyRequest, context: Context) -> RotateKeyResponse:  # noqa: N802 - likewise
        """Create the successor of a key."""
        return await self._desk.rotate(request, caller_of(context))

    async def RevokeKey(self, request: RevokeKeyRequest, context: Context) -> RevokeKeyResponse:  # noqa: N802 - likewise
        """Revoke a key."""
        return await self._desk.revoke(request.key_id, caller_of(context))
