"""What a store's URL says of TLS and logins."""

from pathlib import Path

import pytest

from signet.adapters import store_urls
from signet.adapters.store_urls import Tls


@pytest.fixture
def ca(tmp_path: Path) -> str:
    file = tmp_path / "ca.crt"
    file.write_text("")
    return str(file)


def test_what_is_said_of_files_is_taken_off_and_the_rest_stays(ca: str) -> None:
    url = f"postgresql://u:p%40@h:1/d?ssl=verify-full&cafile={ca}"
    assert store_urls.split(url) == ("postgresql://u:p%40@h:1/d?ssl=verify-full", Tls(ca))
    assert store_urls.split("postgresql://h/d") == ("postgresql://h/d", Tls())


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="cafile=/none: there is no such file"):
        store_urls.split("rediss://h?cafile=/none")


def test_files_go_with_tls_only(ca: str) -> None:
    for of, url in (
        (store_urls.redis, "redis://h"),
        (store_urls.kafka, "kafka://h:1"),
        (store_urls.zookeeper, "zookeeper://h:1"),
    ):
        with pytest.raises(ValueError, match="cafile, certfile and keyfile are for "):
            of(f"{url}?cafile={ca}")


def test_redis_gets_its_own_words(ca: str) -> None:
    assert store_urls.redis("redis://:p@h:1/3") == "redis://:p@h:1/3"
    quoted = ca.replace("/", "%2F")
    url = f"rediss://h:1/3?db=4&cafile={ca}"
    assert store_urls.redis(url) == f"rediss://h:1/3?db=4&ssl_ca_certs={quoted}"


def test_kafka_gets_librdkafkas_settings(ca: str) -> None:
    plain = store_urls.kafka("kafka://a:1,b:2")
    assert plain == ("a:1,b:2", {}, 12, 3)
    full = store_urls.kafka(f"kafka+ssl://me:p%40@a:1,b:2?cafile={ca}&partitions=4&replicas=2")
    assert full == (
        "a:1,b:2",
        {
            "security.protocol": "sasl_ssl",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": "me",
            "sasl.password": "p@",
            "ssl.ca.location": ca,
        },
        4,
        2,
    )
    assert store_urls.kafka("kafka://me:p@a:1?mechanism=PLAIN").settings == {
        "security.protocol": "sasl_plaintext",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "me",
        "sasl.password": "p",
    }
    with pytest.raises(ValueError, match="kafka has no replicsa"):
        store_urls.kafka("kafka://a:1?replicsa=1")


def test_zookeeper_verifies_certificate_and_name(ca: str) -> None:
    assert store_urls.zookeeper("zookeeper://a:1,b:2") == ("a:1,b:2", {})
    hosts, settings = store_urls.zookeeper(f"zookeeper+ssl://a:1,b:2?cafile={ca}")
    assert hosts == "a:1,b:2"
    assert settings == {"use_ssl": True, "verify_certs": True, "check_hostname": True, "ca": ca}
