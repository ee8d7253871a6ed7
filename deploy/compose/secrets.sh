#!/bin/sh
# Makes what the services of compose.yaml know of each other, once, in secrets/ beside this file.
# What is there already stays: with another master key nothing could be read any more.
set -eu
cd "$(dirname "$0")"

if [ -e secrets/tertulia.env ]; then
    echo "secrets/ is there already; to begin anew, remove it together with the volumes" >&2
    exit 1
fi
umask 077
mkdir -p secrets

password() { od -An -N 24 -t x1 /dev/urandom | tr -d ' \n'; }
postgres=$(password)
redis=$(password)
rabbitmq=$(password)

cat > secrets/postgres.env <<END
POSTGRES_USER=tertulia
POSTGRES_DB=tertulia
POSTGRES_PASSWORD=$postgres
END
cat > secrets/redis.env <<END
REDISCLI_AUTH=$redis
END
cat > secrets/rabbitmq.env <<END
RABBITMQ_DEFAULT_USER=tertulia
RABBITMQ_DEFAULT_PASS=$rabbitmq
END
# Last, so that what is here is whole.
cat > secrets/tertulia.env.new <<END
TERTULIA_STORE=postgresql://tertulia:$postgres@postgres/tertulia
TERTULIA_KEYS=postgresql://tertulia:$postgres@postgres/tertulia_keys
TERTULIA_QUEUE=amqp://tertulia:$rabbitmq@rabbitmq/
TERTULIA_EVENTLOG=redis://:$redis@redis/0
TERTULIA_CACHE=redis://:$redis@redis/0
TERTULIA_SECRET=$(password)
TERTULIA_MASTER_KEY=$(head -c 32 /dev/urandom | base64)
END
mv secrets/tertulia.env.new secrets/tertulia.env
echo "secrets/ is made. Keep a copy of TERTULIA_MASTER_KEY where no backup of the databases is." >&2
