"""Let in, kept out, thrown out: what a real broker refuses is said once, and cured without a restart."""

import json
import logging
import socket
import subprocess

import pytest
from servers import Mosquitto, program, until

from pipeline.commissioning.setup import Wizard
from pipeline.config.settings import Config, Mqtt, Secret, Source, Tls
from pipeline.mqtt import Broker, Receiver
from pipeline.service.connections import broker_now

pytestmark = [
    pytest.mark.servers,
    # paho drops the socket of a failed handshake without closing it.
    pytest.mark.filterwarnings("ignore:.*ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"),
]
CANARY = "kanarienvogel-7391"


class Authority:
    """Certificates by openssl; `issue` again replaces one on disk, as a renewal does."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = folder, name
        self._openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", f"/CN={name}",
                      "-keyout", f"{name}.key", "-out", f"{name}.pem")  # fmt: skip
        self.ca = str(folder / f"{name}.pem")

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def issue(self, name, days=1, subject="IP:127.0.0.1"):
        """A key and a certificate; expired with a negative number of days."""
        (self.folder / "names").write_text(f"subjectAltName={subject}\n")
        self._openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key",
                      "-out", f"{name}.csr")  # fmt: skip
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{self.name}.pem", "-CAkey", f"{self.name}.key",
                      "-CAcreateserial", "-days", str(days), "-extfile", "names", "-out", f"{name}.pem")  # fmt: skip
        return {"cert": str(self.folder / f"{name}.pem"), "key": str(self.folder / f"{name}.key")}


@pytest.fixture
def quick(monkeypatch):
    """Tries again at once."""
    monkeypatch.setattr("pipeline.mqtt.receiver.FIRST_RETRY_S", 0.02)
    monkeypatch.setattr("pipeline.mqtt.receiver.LONGEST_RETRY_S", 0.1)


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def tls_broker(tmp_path):
    """Starts brokers with TLS that end with the test."""
    made = []

    def make(certificate, ca, more="allow_anonymous true"):
        files = f"cafile {ca}\ncertfile {certificate['cert']}\nkeyfile {certificate['key']}"
        made.append(Mosquitto(tmp_path / "tls", listener=f"{files}\n{more}"))
        made[-1].start()
        return made[-1]

    yield make
    for broker in made:
        broker.stop()


@pytest.fixture
def receive(quick):
    """Makes receivers that stop with the test."""
    made = []

    def make(broker, **options):
        made.append(Receiver(broker, [("plant/#", 1)], **options))
        made[-1].start()
        return made[-1]

    yield make
    for receiver in made:
        receiver.stop()


def over_tls(server, **files):
    return Broker.of(f"mqtts://127.0.0.1:{server.port}", **files)


def refused_then_cured(receiver, caplog, reason, cure, attempts):
    """The reason is said once in many attempts, and the cure works without a restart of the receiver."""
    until(lambda: reason in caplog.text, f"a warning with {reason}; {caplog.text}")
    until(attempts, "it was tried again and again")
    assert not receiver.connected
    assert caplog.text.count(reason) == 1, caplog.text
    cure()
    until(lambda: receiver.connected, "connected")
    assert caplog.text.count("mqtt.away") == 1, caplog.text


@pytest.fixture
def attempts(monkeypatch):
    """Whether there were ten more attempts to connect."""
    made = []

    def counted(self, client, *, clean, connect=Broker.connect):
        made.append(1)
        connect(self, client, clean=clean)

    monkeypatch.setattr("pipeline.mqtt.Broker.connect", counted)
    return lambda: len(made) >= 10


def test_an_expired_certificate_of_the_broker_is_said_once_and_its_renewal_lets_us_in(
    authority, tls_broker, receive, caplog, attempts
):
    server = tls_broker(authority.issue("broker", days=-1), authority.ca)
    receiver = receive(over_tls(server, ca=authority.ca))
    until(lambda: "TLS: certificate has expired" in caplog.text, "a warning")
    until(attempts, "it was tried again and again")
    assert caplog.text.count("certificate has expired") == 1
    authority.issue("broker")
    server.stop()
    server.start()
    until(lambda: receiver.connected, "connected")


def test_an_authority_that_we_do_not_know_is_said_once_and_known_as_soon_as_its_file_is_there(
    authority, tls_broker, receive, caplog, attempts, tmp_path
):
    server = tls_broker(authority.issue("broker"), authority.ca)
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes((tmp_path / Authority(tmp_path, "other").ca).read_bytes())
    receiver = receive(over_tls(server, ca=str(trusted)))
    refused_then_cured(
        receiver,
        caplog,
        "TLS: self-signed certificate in certificate chain",
        lambda: trusted.write_bytes((tmp_path / "ca.pem").read_bytes()),
        attempts,
    )


def test_our_own_expired_certificate_is_said_once_and_its_renewal_lets_us_in(
    authority, tls_broker, receive, caplog, attempts
):
    more = "require_certificate true\nallow_anonymous true"
    server = tls_broker(authority.issue("broker"), authority.ca, more)
    ours = authority.issue("us", days=-1)
    receiver = receive(over_tls(server, ca=authority.ca, **ours))
    until(lambda: "mqtt.away" in caplog.text, "a warning")
    until(attempts, "it was tried again and again")
    assert "alert certificate expired" in caplog.text
    assert not receiver.connected
    assert caplog.text.count("alert certificate expired") == 1
    authority.issue("us")
    until(lambda: receiver.connected, "connected")


def test_a_broker_whose_certificate_is_for_another_name_is_never_let_near_the_password(
    authority, tls_broker, receive, caplog, attempts
):
    server = tls_broker(authority.issue("broker", subject="DNS:elsewhere.example"), authority.ca)
    receiver = receive(over_tls(server, ca=authority.ca, username="us", password=CANARY))
    until(attempts, "it was tried again and again")
    assert not receiver.connected
    assert caplog.text.count("mqtt.away") == 1
    assert "TLS: IP address mismatch" in caplog.text


def with_password(folder, password):
    """A broker's password file."""
    passwords = folder / "passwords"
    passwords.touch(mode=0o600)
    subprocess.run(
        [program("mosquitto_passwd"), "-b", str(passwords), "us", password], check=True, capture_output=True
    )
    return passwords


def test_a_refused_password_is_said_once_and_the_new_one_in_its_file_is_used_without_a_restart(
    tmp_path, receive, caplog, attempts
):
    passwords = with_password(tmp_path, "the new one")
    server = Mosquitto(tmp_path / "mosquitto", listener=f"password_file {passwords}")
    server.start()
    secret = tmp_path / "secret"
    secret.write_text("the old one\n")
    config = Config(mqtt=Mqtt(url=server.url, username="us", password=Secret(file=str(secret))))
    receiver = receive(broker_now(config, {}))
    reason = "refused by the broker: Not authorized"
    refused_then_cured(receiver, caplog, reason, lambda: secret.write_text("the new one\n"), attempts)
    server.stop()


def test_a_password_that_is_changed_at_the_broker_first_is_waited_for(tmp_path, receive, caplog):
    passwords = with_password(tmp_path, "one")
    server = Mosquitto(tmp_path / "mosquitto", listener=f"password_file {passwords}")
    server.start()
    secret = tmp_path / "secret"
    secret.write_text("one")
    receiver = receive(
        broker_now(Config(mqtt=Mqtt(url=server.url, username="us", password=Secret(file=str(secret)))), {})
    )
    until(lambda: receiver.connected, "connected")
    with_password(tmp_path, "two")
    secret.unlink()
    server.stop()
    server.start()
    until(lambda: "cannot be read" in caplog.text, "a warning that the secret is away")
    secret.write_text("two")
    until(lambda: receiver.connected, "connected again")
    server.stop()


def test_two_clients_with_one_name_are_named_once_and_do_not_fight_every_second(mosquitto, receive, caplog):
    one, two = (Receiver(Broker.of(mosquitto.url), [("plant/#", 1)], jitter=lambda: 1.0) for _ in range(2))
    one.start()
    until(lambda: one.connected, "the first is connected")
    two.start()
    until(lambda: max(one._retry_s, two._retry_s) >= 1.0, "one waits longer and longer")
    assert caplog.text.count("mqtt.taken_over") <= 2, "once from each"
    assert "client_id=spikewatch" in caplog.text
    two.stop()
    until(lambda: one.connected, "whoever remains has it")
    one.stop()


def test_a_broker_that_says_we_were_taken_over_is_believed_at_once(receive, caplog):
    """Mosquitto 2.0 does not say it; by MQTT 5, section 4.13, it reads so."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        receiver = receive(Broker.of(f"mqtt://127.0.0.1:{server.getsockname()[1]}"), jitter=lambda: 1.0)
        for _ in range(5):
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"\x20\x03\x00\x00\x00" + b"\xe0\x01\x8e")
                while connection.recv(1000):
                    pass
        until(lambda: receiver._retry_s >= 0.5, "it waits longer and longer")
    assert caplog.text.count("mqtt.taken_over") == 1
    assert 'client_id=spikewatch reason="closed by the broker: Session taken over"' in caplog.text


def test_the_setup_page_trusts_the_authority_that_ssl_cert_file_names(authority, tls_broker, tmp_path, monkeypatch):
    server = tls_broker(authority.issue("broker"), authority.ca)
    wizard = Wizard(tmp_path / "data", {}, "UTC")
    asked = json.dumps({"url": f"mqtts://127.0.0.1:{server.port}"}).encode()
    with pytest.raises(OSError, match="certificate"):
        wizard.broker(asked)
    monkeypatch.setenv("SSL_CERT_FILE", authority.ca)
    assert wizard.broker(asked)["took_ms"] >= 0


def test_no_log_holds_a_password_whatever_is_refused(tmp_path, authority, tls_broker, receive, caplog):
    caplog.set_level(logging.DEBUG)
    passwords = with_password(tmp_path, "another")
    server = Mosquitto(tmp_path / "mosquitto", listener=f"password_file {passwords}")
    server.start()
    expired = tls_broker(authority.issue("broker", days=-1), authority.ca)
    environ = {"MQTT_PASSWORD": CANARY}
    mqtt = Mqtt(username="us", password=Secret(env="MQTT_PASSWORD"))
    urls = [server.url, f"mqtts://127.0.0.1:{expired.port}", "mqtt://127.0.0.1:1"]
    tls = Tls(ca=authority.ca)
    for url in urls:
        receive(
            broker_now(
                Config(
                    mqtt=Mqtt(
                        url=url,
                        username=mqtt.username,
                        password=mqtt.password,
                        tls=tls if url.startswith("mqtts") else Tls(),
                        sources=(Source(topic="plant/{machine}/{sensor}"),),
                    )
                ),
                environ,
            )
        )
    reasons = ("Not authorized", "certificate has expired", "connection refused")
    until(lambda: all(reason in caplog.text for reason in reasons), "all were refused")
    assert CANARY not in caplog.text
    assert CANARY not in repr(Broker.of("mqtt://b", username="us", password=CANARY))
    server.stop()
