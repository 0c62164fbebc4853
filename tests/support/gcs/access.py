"""Who may do what: bearer tokens, IAM permissions, requester pays, customer-managed keys, a bucket's other rules."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from support.gcs.errors import GcsError

CALLER = "streamlake@tests.iam.gserviceaccount.com"


@dataclass(frozen=True)
class Grant:
    """Permissions, as `storage.objects.get`, on the objects whose names begin with `prefix`.

    As with a managed folder, `storage.objects.list` holds for listings of a prefix below it:
    https://cloud.google.com/storage/docs/managed-folders
    """

    permissions: frozenset[str]
    prefix: str = ""

    @classmethod
    def of(cls, *permissions: str, prefix: str = "") -> Self:
        """The grant of these."""
        return cls(frozenset(permissions), prefix)


@dataclass(frozen=True)
class Rules:
    """How one bucket is set up. Any of these may be changed while the server runs.

    `retention_seconds`: a younger object is not deleted, overwritten or moved (`retentionPolicyNotMet`,
    https://cloud.google.com/storage/docs/bucket-lock). `versioning` keeps what was replaced or deleted as noncurrent,
    `soft_delete` out of reach. `key`: the bucket's customer-managed key is disabled (400 `cloudKmsDisabledKey`), or the
    service may not use it (403). `grants` None: everything is allowed. `move` False: there is no such method.
    `move_looks_at_target_first`: where neither holds, a move is answered 412 instead of 404, Google documents no order.
    """

    retention_seconds: float = 0.0
    versioning: bool = False
    soft_delete: bool = False
    requester_pays: bool = False
    key: Literal["", "disabled", "denied"] = ""
    grants: Sequence[Grant] | None = None
    move: bool = True
    move_looks_at_target_first: bool = False
    rewrite_bytes_a_call: int = 2**30

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """As a process is told them; a grant is `{"permissions": […], "prefix": "…"}`."""
        grants = values.get("grants")
        if grants is not None:
            grants = [Grant.of(*grant["permissions"], prefix=grant.get("prefix", "")) for grant in grants]
        return cls(**{**values, "grants": grants})

    def check_permission(self, *permissions: str, name: str = "") -> None:
        """Raises GcsError (403) for the first permission that is not granted on the object `name` (or the bucket)."""
        for permission in permissions:
            if not self.allows(permission, name):
                on = (
                    "object"
                    if permission.startswith("storage.objects.") and not permission.endswith("list")
                    else "bucket"
                )
                raise GcsError(
                    403,
                    "forbidden",
                    f"{CALLER} does not have {permission} access to the Google Cloud Storage {on}. "
                    f"Permission '{permission}' denied on resource (or it may not exist).",
                )

    def allows(self, permission: str, name: str = "") -> bool:
        """Whether it is granted there."""
        grants = self.grants
        return grants is None or any(
            permission in grant.permissions and name.startswith(grant.prefix) for grant in grants
        )

    def check_payer(self, query: Mapping[str, str]) -> None:
        """Raises GcsError (400) where the requester pays and names no project.

        https://cloud.google.com/storage/docs/requester-pays
        """
        if self.requester_pays and not query.get("userProject"):
            raise GcsError(400, "userProjectMissing", "Bucket is a requester pays bucket but no user project provided.")

    def check_key(self) -> None:
        """Raises GcsError where data can't be encrypted or decrypted.

        https://cloud.google.com/storage/docs/encryption/customer-managed-keys
        """
        if self.key == "disabled":
            message = "Cloud KMS key is disabled, destroyed, or scheduled to be destroyed."
            raise GcsError(400, "cloudKmsDisabledKey", message)
        if self.key == "denied":
            message = (
                "Permission denied on Cloud KMS key. Please ensure that your Cloud Storage service account has been "
                "authorized to use this key."
            )
            raise GcsError(403, "forbidden", message)


def check_token(tokens: Collection[str] | None, authorization: str | None) -> None:
    """Raises GcsError (401) for a request without a valid bearer token; `tokens` None asks for none."""
    if tokens is None:
        return
    if not authorization:
        raise GcsError(401, "required", "Login Required")
    kind, _, token = authorization.partition(" ")
    if kind.lower() != "bearer" or token not in tokens:
        raise GcsError(401, "authError", "Invalid Credentials")
