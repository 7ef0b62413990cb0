#!/usr/bin/env python3
"""ONNX files as other tools make them, for the benchmark to compare with.

  peers.py export MODEL -o FOLDER [--form onnxslim]   one file, the way a user makes it; what is timed as a whole process
  peers.py table -o FOLDER MODEL ...                  every form of every model, and a JSON document about them on stdout
  peers.py time MODEL -o FOLDER --device cuda         runs the fused model in torch for every line on stdin

MODEL is a name whose yaml the packages bring (yolov5s, yolov8n) or a yaml file (yolov5s_SE.yaml; a scale in the
name is read as Ultralytics reads it: yolov8n-ema.yaml is scale n of yolov8-ema.yaml).

Forms, all written as FOLDER/MODEL.FORM.onnx:
  raw            torch.onnx.export(dynamo=False) of the fused model; for Ultralytics what YOLO(yaml).export() writes
  onnxslim       raw through onnxslim; for Ultralytics YOLO(yaml).export(simplify=True)
  onnxsim        raw through onnxsim
  onnxoptimizer  raw through all of onnxoptimizer's fuse-and-eliminate passes, to their fixed point
  dynamo         torch.onnx.export(dynamo=True) at opset 18 or later, the lowest it writes without a conversion
  dynamo+onnxslim

Needs torch, onnx, safetensors, and ultralytics or yolov5 (the pip package); for a form its tool; for `table` onnxruntime.

--modules FILE.py brings modules that the packages lack. The file is run in a copy of the namespace in which the
package reads a yaml, so nn, torch, Conv, C3 … are there. Each class that has a static method

    def parse(c1, args, n, scale): return args, c2, n

may be named in a yaml: from the channels it is given, its row's args and (scaled) repeats it makes the constructor's
arguments, the channels it gives, and how often it is repeated; scale(c) is the channel count at the model's width.
"""
import argparse
import contextlib
import functools
import importlib.metadata
import importlib.util
import inspect
import json
import math
import os
import re
import shutil
import sys
import tempfile
import types
from pathlib import Path

FORMS = ('raw', 'onnxslim', 'onnxsim', 'onnxoptimizer')
DYNAMO = ('dynamo', 'dynamo+onnxslim')
TOOLS = ('torch', 'ultralytics', 'yolov5', 'onnx', 'onnxslim', 'onnxsim', 'onnxoptimizer', 'onnxscript', 'onnxruntime')
WRONG = 100  # a file whose output is this many times further from float64 than torch's float32 is wrong,
NOISE = 1e-6  # which counts as this much at least


# Packages

class Anything(types.ModuleType):
    """A module every name of which is there, and does nothing."""
    __path__ = []

    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        return Anything(name)

    def __call__(self, *args, **options):
        return self

    def __mro_entries__(self, bases):
        return (object,)


@contextlib.contextmanager
def importing():
    """Lets both packages be imported without network, and without what they import but exporting does not use."""
    os.environ.setdefault('YOLO_OFFLINE', 'true')
    os.environ.setdefault('YOLO_AUTOINSTALL', 'false')
    absent = {}
    if not importlib.util.find_spec('torchvision'):
        for name in ('torchvision', 'torchvision.ops', 'torchvision.transforms', 'torchvision.transforms.functional'):
            absent[name] = Anything(name)
    if not importlib.util.find_spec('pkg_resources'):  # gone from setuptools 82; yolov5 takes its version parser
        from packaging.version import parse
        absent['pkg_resources'] = Anything('pkg_resources')
        absent['pkg_resources'].parse_version = parse
    version = importlib.metadata.version

    def version_or_none(name):
        try:
            return version(name)
        except importlib.metadata.PackageNotFoundError:
            if name in absent:
                return '0.0'
            raise

    sys.modules.update(absent)
    importlib.metadata.version = version_or_none
    try:
        yield
    finally:
        importlib.metadata.version = version
        for name in absent:
            del sys.modules[name]


@functools.cache
def register(package, path, scaled):
    """Makes `package`, the module of a parse_model, know the classes of a --modules file."""
    scope = {**vars(package), '__name__': Path(path).stem}
    before = dict(scope)
    exec(compile(Path(path).read_text('utf8'), path, 'exec'), scope)
    classes = {k: v for k, v in scope.items() if v is not before.get(k) and isinstance(v, type) and hasattr(v, 'parse')}
    source, found = re.subn(
        r'^( +)(elif m is (torch\.)?nn\.BatchNorm2d:\n)',
        rf'\1elif m in registered:\n\1    args, c2, n = m.parse(ch[f], args, n, lambda c: {scaled})\n\1\2',
        inspect.getsource(package.parse_model), flags=re.M)
    if found != 1:
        raise SystemExit(f'{package.__name__}.parse_model is not written as expected: cannot register modules')
    vars(package).update(classes, registered=frozenset(classes.values()))
    exec(source, vars(package))


# Models

class Yolov5:
    def __init__(self, name, modules=None):
        with importing():
            import yolov5.models.yolo as package
        if modules:
            register(package, modules, 'c if c == no else make_divisible(c * gw, 8)')
        self.package = package
        file = name if name.endswith('.yaml') else Path(package.__file__).with_name(name + '.yaml')
        self.network = package.DetectionModel(str(file))

    def outputs(self, image):
        y = self.network.eval()(image)
        return [y[0], y[1]] if isinstance(self.network.model[-1], self.package.Segment) else [y[0]]

    def export(self, form, file, opset, size):
        import torch
        model = self.network.eval().requires_grad_(False).fuse()
        for module in model.modules():  # as the package's export.py does
            if isinstance(module, self.package.Detect):
                module.inplace, module.dynamic, module.export = False, False, True
        image = torch.zeros(1, 3, size, size)
        for _ in range(2):
            model(image)
        write(model, image, file, opset, 2 if isinstance(model.model[-1], self.package.Segment) else 1, form in DYNAMO)


class Ultralytics:
    def __init__(self, name, modules=None):
        with importing():
            import ultralytics.nn.tasks as package
            from ultralytics import YOLO
        if modules:
            register(package, modules, 'make_divisible(min(c, max_channels) * width, 8)')
        self.yolo = YOLO(name if name.endswith('.yaml') else name + '.yaml')
        self.network = self.yolo.model

    def outputs(self, image):
        y = self.network.eval()(image)[0]
        return list(y) if isinstance(y, tuple) else [y]

    def export(self, form, file, opset, size):
        if form in DYNAMO:
            import torch
            image = torch.zeros(1, 3, size, size)
            outputs = len(self.outputs(image))
            model = self.network.eval().requires_grad_(False).fuse(verbose=False)
            model.model[-1].export, model.model[-1].format = True, 'onnx'
            write(model, image, file, opset, outputs, True)
        else:
            if form == 'onnxslim':
                import onnxslim  # noqa: F401  without it the package warns, and writes the raw form
            target = file.resolve()
            with tempfile.TemporaryDirectory(dir=target.parent) as folder, contextlib.chdir(folder):
                shutil.move(self.yolo.export(format='onnx', simplify=form == 'onnxslim', opset=opset, imgsz=size), target)


def write(model, image, file, opset, outputs, dynamo):
    import torch
    options = {'dynamo': True, 'external_data': False} if dynamo else {'dynamo': False, 'do_constant_folding': True}
    torch.onnx.export(model, (image,), str(file), opset_version=max(opset, 18) if dynamo else opset,
                      input_names=['images'], output_names=[f'output{i}' for i in range(outputs)], **options)


def family(name):
    if name.endswith('.yaml') and Path(name).exists():
        return Yolov5 if re.search(r'^anchors\s*:', Path(name).read_text('utf8'), re.M) else Ultralytics
    return Yolov5 if re.match(r'yolov5[nsmlx]$', name) else Ultralytics


def load(name, modules=None, weights=None):
    """The torch model of a name, with weights of a safetensors file or with BatchNorms as training leaves them."""
    import torch
    torch.manual_seed(0)
    model = family(name)(name, modules)
    network = model.network
    if weights:
        from safetensors.torch import load_file
        missing, unexpected = network.load_state_dict(load_file(weights), strict=False)
        missing = [k for k in missing if not re.search(r'(num_batches_tracked|\.anchors|dfl\.conv\.weight)$', k)]
        if missing or unexpected:
            raise SystemExit(f'{weights} does not fit {name}: lacks {missing[:3]}, and has {unexpected[:3]} beside')
    else:
        with torch.no_grad():
            for module in network.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.weight.uniform_(0.5, 1.5)
                    module.bias.normal_(0, 0.1)
                    module.running_mean.normal_(0, 0.1)
                    module.running_var.uniform_(0.5, 1.5)
    return model


# Forms

def simplify(form, source, file):
    import onnx
    model = onnx.load(source)
    if form.endswith('onnxslim'):
        import onnxslim
        model = onnxslim.slim(model)
    elif form == 'onnxsim':
        import onnxsim
        model, same = onnxsim.simplify(model)
        if not same:
            raise RuntimeError('onnxsim finds its own result different')
    else:
        import onnxoptimizer
        model = onnxoptimizer.optimize(model, onnxoptimizer.get_fuse_and_elimination_passes(), fixed_point=True)
    onnx.save(model, file)


def export(model, form, file, opset, size, raw=None):
    """Writes one form of a loaded model; `raw` is its raw file where that is there already."""
    base = 'dynamo' if form in DYNAMO else 'raw'
    if form == base or (form == 'onnxslim' and isinstance(model, Ultralytics)):
        model.export(form, file, opset, size)
    elif raw:
        simplify(form, raw, file)
    else:
        with tempfile.TemporaryDirectory(dir=file.parent) as folder:
            model.export(base, Path(folder) / 'raw.onnx', opset, size)
            simplify(form, Path(folder) / 'raw.onnx', file)


def target(folder, name, form):
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder) / f'{Path(name).stem}.{form}.onnx'


# Figures

def nodes(graph):
    """Nodes but Constants, those of subgraphs included."""
    inner = [a.g for node in graph.node for a in node.attribute if a.HasField('g')]
    return sum(node.op_type != 'Constant' for node in graph.node) + sum(map(nodes, inner))


def difference(outputs, exact):
    """Greatest relative difference; values below 0.01 count as 0.01."""
    import numpy as np
    return max(float((np.abs(a - b) / np.maximum(np.abs(b), 0.01)).max()) for a, b in zip(outputs, exact, strict=True))


def reference(fresh, image):
    """The model's outputs in float64, and how far torch's own float32 is from them."""
    import torch
    with torch.no_grad():
        single = [y.numpy() for y in fresh().outputs(image)]
        double = fresh()
        double.network.double()
        torch.set_default_dtype(torch.float64)  # for what modules make themselves
        try:
            exact = [y.numpy() for y in double.outputs(image.double())]
        finally:
            torch.set_default_dtype(torch.float32)
    return exact, difference(single, exact)


def figures(file, image, exact, own):
    import onnx
    import onnxruntime
    graph = onnx.load(file).graph
    session = onnxruntime.InferenceSession(str(file), providers=['CPUExecutionProvider'])
    far = difference(session.run(None, {'images': image.numpy()}), exact)
    found = {'nodes': nodes(graph), 'initializers': len(graph.initializer), 'bytes': file.stat().st_size, 'difference': rounded(far)}
    return {**found, 'wrong': True} if not far <= WRONG * max(own, NOISE) else found


def rounded(value):
    return float(f'{value:.1e}') if math.isfinite(value) else None


def message(error):
    while error.__cause__:
        error = error.__cause__
    return f'{type(error).__name__}: {error}'.split('\n')[0][:200]


def table(names, folder, opset, size, modules, weights):
    import torch
    models = {}
    image = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    for name in names:
        stem = Path(name).stem
        of = weights and (Path(weights) / f'{stem}.safetensors' if Path(weights).is_dir() else weights)
        fresh = functools.partial(load, name, modules, of)  # exporting changes a model
        exact, own = reference(fresh, image)
        forms = {}

        def add(form, base='raw'):
            if 'fails' in forms.get(base, {}):
                forms[form] = forms[base]
                return
            print(f'{stem}: {form}', file=sys.stderr)
            file = target(folder, name, form)
            try:
                export(fresh(), form, file, opset, size, target(folder, name, base) if base in forms else None)
                forms[form] = figures(file, image, exact, own)
            except Exception as error:
                forms[form] = {'fails': message(error)}
                file.unlink(missing_ok=True)

        for form in FORMS:
            add(form)
        if any('fails' in x or 'wrong' in x for x in forms.values()):
            for form in DYNAMO:
                add(form, 'dynamo')
        models[stem] = {'float32': rounded(own), 'forms': forms}
    return models


# Latency

def time_runs(name, given, answer):
    """Runs the fused model once, writes its output to FOLDER/MODEL.DEVICE.f32, then runs it for every line on stdin.

    A line on stdout is the milliseconds of a run, copies to the device and back included; the first says `ready`.
    """
    import time
    import numpy as np
    import torch
    torch.set_num_threads(given.threads)
    for backend in (torch.backends.cuda.matmul, torch.backends.cudnn):
        backend.allow_tf32 = given.tf32
    torch.backends.cudnn.benchmark = True  # as onnxruntime does: it tries all algorithms
    device = torch.device(given.device)
    model = load(name, weights=given.weights_from)
    model.network.eval().requires_grad_(False)
    model.network.fuse(**({'verbose': False} if isinstance(model, Ultralytics) else {}))
    model.network.to(device)
    size = given.imgsz
    pixels = np.arange(3 * size * size, dtype=np.uint64) * 2654435761 % 4096
    image = torch.from_numpy((pixels / 4096).astype(np.float32).reshape(1, 3, size, size))

    def run():
        output = model.outputs(image.to(device))[0].cpu()
        if device.type == 'cuda':
            torch.cuda.synchronize()
        return output

    with torch.inference_mode():
        run().contiguous().numpy().tofile(target(given.output, name, given.device).with_suffix('.f32'))
        answer('ready')
        for _ in sys.stdin:
            started = time.perf_counter()
            run()
            answer(f'{(time.perf_counter() - started) * 1000:.4f}')


def versions():
    found = {'python': sys.version.split()[0]}
    for tool in TOOLS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[tool] = importlib.metadata.version(tool)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')

    def command(name, does):
        made = commands.add_parser(name, help=does, description=does)
        made.add_argument('-o', '--output', required=True, metavar='FOLDER', help='where the files go')
        made.add_argument('--opset', type=int, default=17, help='default: 17')
        made.add_argument('--imgsz', type=int, default=640, help='height and width; default: 640')
        made.add_argument('--modules', metavar='FILE.py', help='modules that the packages lack; see peers.py --help')
        return made

    one = command('export', 'write one form of one model')
    one.add_argument('model', metavar='MODEL', help='yolov5s, yolov8n, … or a yaml file')
    one.add_argument('--form', choices=FORMS + DYNAMO, default='onnxslim', help='default: onnxslim')
    one.add_argument('--weights-from', metavar='FILE.safetensors',
                     help='a state_dict; default: random, with BatchNorm statistics as after training')
    every = command('table', 'write every form of every model and print figures as JSON')
    every.add_argument('model', nargs='*', metavar='MODEL', help='default: yolov5 and yolov8, n to x',
                     default=[f'yolov{version}{scale}' for version in (5, 8) for scale in 'nsmlx'])
    every.add_argument('--weights-from', metavar='FOLDER',
                     help='of MODEL.safetensors, or one such file; default: random, with BatchNorm statistics as after training')
    every.add_argument('--weights-are', metavar='TEXT', help='what the document says of them')
    timed = command('time', 'run the fused model in torch for every line on stdin')
    timed.add_argument('model', metavar='MODEL', help='yolov5s, yolov8n, … or a yaml file')
    timed.add_argument('--weights-from', metavar='FILE.safetensors', help='a state_dict')
    timed.add_argument('--device', default='cpu', help='cpu, cuda; default: cpu')
    timed.add_argument('--threads', type=int, default=1, help='of the CPU; default: 1')
    timed.add_argument('--tf32', action='store_true', help='let CUDA use it')
    given = parser.parse_args()

    with only_results_on_stdout() as answer:
        if given.command == 'time':
            return time_runs(given.model, given, answer)
        if given.command == 'export':
            file = target(given.output, given.model, given.form)
            export(load(given.model, given.modules, given.weights_from), given.form, file, given.opset, given.imgsz)
            result = str(file)
        else:
            result = json.dumps({
                'what': 'ONNX files of other tools. nodes: graph nodes other than Constant, those of subgraphs included. '
                        'bytes: of the file. difference: greatest relative difference of its output in onnxruntime from '
                        'torch in float64, values below 0.01 counting as 0.01; float32: that of torch in float32; '
                        f'wrong: it is more than {WRONG} times as great, and more than {WRONG * NOISE:g}.',
                'weights': given.weights_are or ('from files' if given.weights_from else 'random'),
                **versions(), 'opset': given.opset, 'imgsz': given.imgsz,
                'models': table(given.model, given.output, given.opset, given.imgsz, given.modules, given.weights_from),
            }, indent=1)
    print(result)


@contextlib.contextmanager
def only_results_on_stdout():
    """Whatever is printed meanwhile, by Python or by libraries, goes to stderr; gives what writes a line to stdout."""
    sys.stdout.flush()
    stdout = os.dup(1)
    os.dup2(2, 1)
    try:
        yield lambda line: os.write(stdout, f'{line}\n'.encode())
    finally:
        sys.stdout.flush()
        os.dup2(stdout, 1)


if __name__ == '__main__':
    main()
