"""Who is talking: one device of one account."""

from dataclasses import dataclass

from signet.e2e.keys import IdentityKeyPair


@dataclass(frozen=True, slots=True)
class Address:
    """`user_id` is the 16 bytes of a UUID, `device_id` 1 to 127. Raises ValueError for others."""

    user_id: bytes
    device_id: int

    def __post_init__(self) -> None:
        if len(self.user_id) != 16 or not 1 <= self.device_id <= 127:
            raise ValueError("an address is 16 bytes of user id and a device id of 1 to 127")

    def to_wire(self) -> bytes:
        """18 bytes: a service id (0x00 ‖ user id) and the device."""
        return b"\x00" + self.user_id + bytes([self.device_id])


@dataclass(frozen=True, slots=True)
class LocalDevice:
    """Ourselves, as sessions need it. The identity is the account's, shared by its devices."""

    address: Address
    identity: IdentityKeyPair
    registration_id: int
