"""Where the commands of jobs/ run: stand-ins for programs, and folders for hosts."""

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]

PROGRAMS = {
    "gcloud": f'exec "{sys.executable}" -S -E "{ROOT}/tests/jobs/gcloud.py" "$@"',
    "git": 'case " $* " in *" clone "*) mkdir "${@: -1}" ;; *) touch "${@: -2:1}" ;; esac',
    # Its pip installs uv, whose Python trains: it waits to be preempted, or ends the second time.
    "python3": """
mkdir -p .local/bin
cat > .local/bin/uv <<'UV'
mkdir -p env/bin
cat > env/bin/python <<'PYTHON'
#!/usr/bin/env bash
echo "$JAX_PLATFORMS ${JAX_COORDINATOR_PORT-} $*" >> "$STAND_IN/trained"
if [[ -e $STAND_IN/preempt ]]; then
    # Both hosts are there.
    [[ $(wc -l < "$STAND_IN/trained") -lt 2 ]] || touch "$STAND_IN/started"
    sleep 60
fi
exit "$(cat "$STAND_IN/status" 2> /dev/null || echo 0)"
PYTHON
chmod +x env/bin/python
UV
chmod +x .local/bin/uv
""",
}
"""The bodies of shell scripts, by the name they are found by."""


class Stage:
    """A folder with those programs, and what was said and done in it."""

    def __init__(self, folder: pathlib.Path):
        """With no machine."""
        self.folder = folder
        (folder / "bin").mkdir()
        for name, body in PROGRAMS.items():
            self.program(name, body)

    def program(self, name: str, body: str) -> None:
        """Adds a program, or puts another in its place."""
        path = self.folder / "bin" / name
        path.write_text(f"#!/usr/bin/env bash\n{body}\n")
        path.chmod(0o755)

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess:
        """Runs a command, which finds the stand-ins first."""
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        given = {name: x for name, x in os.environ.items() if not name.startswith("JAX_")}
        return subprocess.run(
            command,
            cwd=ROOT,
            env=given | {"PATH": path, "STAND_IN": str(self.folder), "HTT_PAUSE": "0"} | variables,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def job(self, kind: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
        """Runs `python -m jobs.KIND` as on a machine without any package."""
        command = (sys.executable, "-S", "-E", "-m", f"jobs.{kind}", *arguments)
        return self.run(*command, **variables)

    def calls(self) -> list[str]:
        """What gcloud was called with, without those that only look."""
        lines = (self.folder / "calls.jsonl").read_text().splitlines()
        calls = [" ".join(json.loads(line)) for line in lines]
        return [call for call in calls if not any(word in call for word in LOOKS)]

    def trained(self) -> list[str]:
        """Platforms, port and arguments of each training, in no order."""
        return (self.folder / "trained").read_text().splitlines()


LOOKS = (" describe ", " list-instances ", "host.sh status")
TRAINING = ("--config=configs/fpha.py", "--workdir=gs://bucket/runs/fpha")
