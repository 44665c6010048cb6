#!/usr/bin/env python3
"""Kills and pauses the six processes of a cluster at random, under load, and checks what is promised.

    python3 checks/cluster.py DAEMON NATS_SERVER [--rounds 30] [--seed N] [--keep]

Starts three NATS servers and three daemons (cluster_world.py), and clients (cluster_load.py, which says what they check).
In each round one process is killed as by a loss of power, or paused, and comes back. Needs only Python 3.8. The last line is
`passed` or the failed checks; the exit code is the same.
"""

import asyncio
import sys

from cluster_load import PATIENCE, kept_again, under_load
from cluster_world import add_seed, check_parser, cluster, seeded
from running import verdict


async def one_round(world, them, rng, number, spared=None):
    """Kills or pauses one process, and lets it come back. The cluster has to go on. The spared process is only paused."""
    processes = them.nodes + them.servers
    victim = rng.choice(processes)
    kills = rng.random() < 0.6 and victim is not spared
    away = rng.uniform(0.3, 9)
    before = len(world.acknowledged)
    print(f"round {number}: {'kill -9' if kills else 'SIGSTOP'} {victim.name} for {away:.1f} s", end="", flush=True)
    (victim.kill if kills else victim.pause)()
    await asyncio.sleep(away)
    if kills:
        said = len(victim.said())
        victim.start()
        if victim in them.nodes:
            await asyncio.get_running_loop().run_in_executor(
                None, victim.wait_for, '"event":"ready"', PATIENCE, said)
    else:
        victim.go_on()
    during = len(world.acknowledged)
    # Messages are kept again before the next round.
    await kept_again(world, f"round {number}")
    print(f": {during - before} messages meanwhile, {len(world.acknowledged) - during} after", flush=True)
    for process in processes:
        if not process.runs():
            world.faults.append(f"{process.name} has ended with {process.child.returncode}")


def main():
    parser = check_parser("daemon", "nats_server")
    add_seed(parser)
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()
    rng = seeded(arguments)
    with cluster(arguments.daemon, arguments.nats_server, arguments.keep) as them:
        them.begin()

        async def rounds(world):
            for number in range(1, arguments.rounds + 1):
                if not world.faults:
                    await one_round(world, them, rng, number)

        faults = asyncio.run(under_load(them, rounds, rounds=arguments.rounds))
    return verdict(faults)


if __name__ == "__main__":
    sys.exit(main())
