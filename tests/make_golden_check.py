"""Checks fixtures/make_golden.py with PyTorch, CI only: writes goldens of a module and of a whole model, feeds them to
`yolonnx verify`, then spoils each and expects exit 1. Ends with 1 if anything is not as it should be."""
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent
CLI = ["node", str(ROOT / "dist" / "cli" / "main.js")]
SCRIPT = str(ROOT / "fixtures" / "make_golden.py")
sys.dont_write_bytecode = True  # fixtures/ stays as it is
sys.path[:0] = [str(ROOT / "fixtures"), str(ROOT / "tests")]
import make_golden
import make_golden_net as nets

NET = str(ROOT / "tests" / "make_golden_net.py")


def run(*command, exits):
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode != exits:
        raise AssertionError(f"{' '.join(command)}\nended with {done.returncode} instead of {exits}:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def verify(golden, exits=0):
    return run(*CLI, "verify", "--provider", "cpu", "--golden", str(golden), exits=exits)


def command(*options, exits=0):
    return run(sys.executable, SCRIPT, *map(str, options), exits=exits)


def spoil(golden):
    """Adds 0.01 to one number of the golden's first output."""
    data = bytearray(golden.read_bytes())
    length = struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8 : 8 + length])
    start = next(entry for name, entry in header.items() if name.startswith("output."))["data_offsets"][0]
    at = 8 + length + start + 4 * 7
    struct.pack_into("<f", data, at, struct.unpack_from("<f", data, at)[0] + 0.01)
    spoiled = golden.with_name(f"spoiled-{golden.name}")
    spoiled.write_bytes(data)
    return spoiled


def goldens(folder):
    """Writes a golden of every form."""
    module = ["module", f"{NET}:EMA", "--args", "[4]", "--input", "2x32x12x20"]
    model = ["model", "--build", f"{NET}:trained", "--imgsz", 64, 96]
    (folder / "net.yaml").write_text(make_golden.yaml_text(nets.KEYS), "utf-8")
    torch.save({"model": nets.trained().state_dict()}, folder / "net.pt")
    checkpoint = ["--checkpoint", folder / "net.pt"]
    for name, options in {
        "module-embedded": module,
        "module-seeded": [*module, "--seed", 3],
        "model-embedded": model,
        "model-seeded": [*model, "--yaml", folder / "net.yaml", "--batch", 2, "--seed", 5],
        "checkpoint-embedded": [*model, *checkpoint, "--embed"],
        "checkpoint": [*model, *checkpoint],
    }.items():
        command(*options, "-o", folder / f"{name}.golden.safetensors")
        yield folder / f"{name}.golden.safetensors"
    # From Python; in half precision, as trained models are stored.
    net = nets.trained().half()
    make_golden.write_golden(folder / "library.safetensors", net, torch.rand(1, 3, 64, 64))
    assert next(net.parameters()).dtype == torch.float16 and net.training, "the given model was changed"
    yield folder / "library.safetensors"


def check_repeats(folder):
    torch.manual_seed(0)
    again = folder / "again"
    again.mkdir()
    for golden in goldens(again):
        assert golden.read_bytes() == (folder / golden.name).read_bytes(), f"{golden.name} differs when it is written again"


def check_faults(folder):
    for options, fault in (
        (["module", f"{NET}:Missing", "--input", "1x8x4x4"], "has no attribute 'Missing'"),
        (["module", f"{NET}:EMA", "--args", "[16]", "--input", "1x8x4x4"], "ZeroDivisionError"),
        (["model", "--build", "torch.nn:Identity"], "keeps its layers in `model`"),
        (["model", "--build", f"{NET}:trained", "--imgsz", 60], "not a multiple"),
        (["model", "--checkpoint", folder / "net.pt"], "holds weights alone"),
        (["model"], "give --checkpoint FILE or --build"),
    ):
        said = command(*options, "-o", folder / "never.safetensors", exits=2)
        assert fault in said and "Traceback" not in said, said
    assert not list(folder.glob("never*"))


def main():
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        files = list(goldens(folder))
        for golden in files:
            verify(golden)
            verify(spoil(golden), exits=1)
        check_repeats(folder)
        check_faults(folder)
    print(f"torch {torch.__version__}: {len(files)} goldens verified, {len(files)} spoiled ones found out")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except AssertionError as error:
        sys.exit(f"FAILED: {error}")
