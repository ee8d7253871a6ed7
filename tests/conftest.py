"""What holds for every test."""

from hypothesis import settings

# No test asserts how long something takes: on a busy machine that is a matter of luck.
settings.register_profile("tertulia", deadline=None)
settings.load_profile("tertulia")

# Fixtures of real services, each started when the first test asks for it, and of spans.
pytest_plugins = [
    "tests.support.services.kafka",
    "tests.support.services.mariadb",
    "tests.support.services.nats",
    "tests.support.services.postgres",
    "tests.support.services.rabbitmq",
    "tests.support.services.redis",
    "tests.support.spans",
]
