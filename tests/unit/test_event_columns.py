"""Columns of stored events follow from the .proto files alone."""

from events.catalogue import load_catalogue
from events.columns import columns_of
from storage.segments.schema import DEVICE, ENVELOPE, EventColumns


def test_every_field_has_a_column_of_its_type() -> None:
    """Of each payload and of the device, in the order of the files."""
    described = columns_of(load_catalogue())
    assert list(described) == ["device", *load_catalogue().types]
    assert described["purchase"] == (
        ("product_id", "productId", "text"),
        ("order_id", "orderId", "text"),
        ("amount", "amount", "decimal"),
        ("currency", "currency", "text"),
        ("quantity", "quantity", "int32"),
        ("payment_method", "paymentMethod", "text"),
        ("conversion_path", "conversionPath", "texts"),
        ("metadata", "metadata", "json"),
    )
    assert ("view_duration", "viewDuration", "double") in described["view"]


def test_storage_knows_every_kind_and_no_name_is_taken() -> None:
    """A payload's struct lies beside the columns of the envelope."""
    known = EventColumns.of(columns_of(load_catalogue()))
    assert all(column.type is not None for columns in known.structs.values() for column in columns)
    assert not known.structs.keys() & ENVELOPE.keys()
    assert DEVICE in known.structs
