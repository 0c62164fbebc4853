"""A password that is changed under a running engine: one line says so, with the cause, and when it is over."""

import uuid

from support.scene import orders
from support.secure import MakeSecureScene, SecureKafka

OLD, NEW = "old-sesame-4711", "new-sesame-4711"


def test_a_password_that_is_changed_while_an_engine_runs_is_named(
    secured: SecureKafka, secure_scene: MakeSecureScene
) -> None:
    user = f"brief-{uuid.uuid4().hex[:8]}"
    secured.add_user(user, OLD)
    secured.allow(user, [("TOPIC", "*", "ALL"), ("GROUP", "*", "ALL")])
    scene = secure_scene("BRIEF", mechanism="SCRAM-SHA-256", username=user, password=OLD)
    scene.produce(orders(60))
    with scene.engine() as engine:
        engine.wait_for("committed")
        secured.add_user(user, NEW)
        said = engine.wait_for("Kafka does not let us in")
        assert (said["code"], said["level"]) == ("SL0303", "warning")
        assert f"refuses the sign-in as {user} by SCRAM-SHA-256: Authentication failed" in said["why"]
        assert "check kafka.security.username and password" in said["why"]
        theirs = engine.wait_for("librdkafka", lambda line: "re-authentication" in line["text"])
        assert (theirs["facility"], theirs["code"]) == ("FAIL", "SL0792")
        assert theirs["client"].startswith("streamlake-orders")
        secured.add_user(user, OLD)
        engine.wait_for("Kafka lets us in again")
        assert len(engine.events("Kafka does not let us in")) == 1
        engine.stop()
    assert not [line for line in engine.lines if line["event"] == "broker" and "sign-in" in line["why"]]
    assert OLD not in engine.log()
