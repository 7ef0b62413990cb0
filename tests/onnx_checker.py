"""Checks emitted files with the onnx package: checker with full_check (shape inference in strict mode), CI only.

Compiles every yaml of fixtures/models and every module's example through the command line, at several opsets and
with open sizes, and checks each file, some with external data. Also asserts what users rely on: no value_info, opset and IR as asked.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import onnx

ROOT = pathlib.Path(__file__).resolve().parent.parent
CLI = ["node", str(ROOT / "dist" / "cli" / "main.js")]
IR = {11: 6, 12: 7, 13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10}


# Models with custom operators.
CUSTOM = ("yolov5s_SOCA", "yolov5s_C3_DAttention", "yolov5s_C3_DAttention-seg")


def run(*arguments):
    done = subprocess.run([*CLI, *arguments], capture_output=True, text=True, cwd=ROOT)
    if done.returncode != 0:
        raise SystemExit(f"yolonnx {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def variants():
    """Arguments of every compilation to check."""
    models = sorted((ROOT / "fixtures" / "models").glob("*.yaml"))
    for model in models:
        # AttnConv's windows must divide the maps.
        size = ["128", "192"] if "attnconv" in model.stem else ["64", "96"]
        small = ["compile", str(model), "--imgsz", *size, "--nc", "3"]
        yield [*small, "--opset", "17"]
        if model.stem in ("yolov5n_PSA", "yolov8-ema", "yolov5s_SE"):
            for opset in IR:
                yield [*small, "--opset", str(opset)]
                yield [*small, "--opset", str(opset), "--dynamic", "all"]
            yield [*small, "--dynamic", "batch"]
            yield [*small, "--no-passes"]
            for opset in (11, 17, 22):
                yield [*small, "--external-data", "always", "--opset", str(opset)]
            yield [*small, "--external-data", "always", "--half", "--dynamic", "all"]
            for opset in (11, 17, 21):
                yield [*small, "--half", "--opset", str(opset)]
                yield [*small, "--half-io", "--dynamic", "batch", "--opset", str(opset)]
        if model.stem in CUSTOM:
            for opset in (11, 17, 20):
                yield [*small, "--opset", str(opset), "--custom-ops", "function"]
                yield [*small, "--opset", str(opset), "--custom-ops", "function", "--dynamic", "all"]
    for entry in json.loads(run("modules", "--json")):
        for family in entry["families"]:
            shapes = [option for shape in entry["exampleInputs"] for option in ("--input", "x".join(map(str, shape)))]
            alone = ["compile", "--module", entry["name"], "--family", family, "--args", entry["example"], *shapes]
            for opset in (11, 21):
                yield [*alone, "--opset", str(opset), "--dynamic", "batch"]
            yield [*alone, "--opset", "18"]
            if entry["name"] != "Focus":  # needs even sizes, which open ones cannot promise
                yield [*alone, "--dynamic", "all"]
            yield [*alone, "--custom-ops", "function"]


def main():
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        target = pathlib.Path(folder) / "model.onnx"
        for arguments in variants():
            said = json.loads(run(*arguments, "-o", str(target), "--json"))
            try:
                model = onnx.load(str(target))
                # By its path: the only form that takes models above 2 GiB, and that looks for the external data.
                onnx.checker.check_model(str(target) if "externalData" in said else model, full_check=True)
                if "--external-data" in arguments:
                    assert os.path.getsize(said["externalData"]["file"]) == said["externalData"]["bytes"], "bytes of external data"
                assert not model.graph.value_info, "value_info is written"
                assert model.opset_import[0].version == said["opset"], "opset differs from what was said"
                least = 8 if model.functions else 0
                assert model.ir_version == said["irVersion"] == max(IR[said["opset"]], least), "IR version"
                assert len(model.graph.node) == said["nodes"], "node count differs from what was said"
            except Exception as error:
                print(f"FAILED: yolonnx {' '.join(arguments)}\n  {error}")
                return 1
            count += 1
    print(f"onnx {onnx.__version__}: {count} files checked")
    return 0


if __name__ == "__main__":
    sys.exit(main())
