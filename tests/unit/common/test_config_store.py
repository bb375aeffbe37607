"""The section [store]: places that can be meant, and keys that are kept out of the file."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from common.config_store import Store


@pytest.mark.parametrize("url", ["", "s3://bucket", "s3://bucket/a/b", "file:///mnt/nas"])
def test_a_place_is_a_bucket_or_a_folder(url: str) -> None:
    assert Store(url=url).url == url
    assert Store(url=f"{url}/" if url else "").url == url


@pytest.mark.parametrize(
    "values",
    [
        {"url": "http://host/bucket"},
        {"url": "s3:///folder"},
        {"url": "s3://key:secret@bucket"},
        {"url": "s3://bucket?endpoint_override=x"},
        {"url": "file://host/folder"},
        {"url": "file:///"},
        {"url": "s3://bucket", "endpoint": "minio.example:9000"},
        {"url": "s3://bucket", "endpoint": "https://key:secret@minio.example"},
        {"url": "s3://bucket", "endpoint": "https://minio.example/bucket"},
        {"url": "file:///mnt/nas", "endpoint": "https://minio.example"},
        {"url": "s3://bucket", "keep_local_days": 7},
    ],
)
def test_what_cannot_be_meant_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Store.model_validate(values)
