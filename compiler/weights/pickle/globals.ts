/**
 * Names that no checkpoint of a model has any use for, and that run programs or code, or reach the network, when
 * Python's unpickler calls them. Nothing is called here in any case; a file that names one is refused, because it was
 * made to harm who opens it in Python. (The list follows picklescan's and fickling's.)
 */
const EVERYTHING = '*';

const HARMFUL: ReadonlyMap<string, typeof EVERYTHING | ReadonlySet<string>> = new Map(
  Object.entries({
    os: words('system popen popen2 popen3 popen4 startfile fork forkpty kill killpg remove unlink rmdir removedirs rename replace putenv chmod chown symlink link truncate open dup2 _exit abort'),
    posix: EVERYTHING,
    nt: EVERYTHING,
    commands: words('getoutput getstatusoutput'),
    subprocess: EVERYTHING,
    pty: EVERYTHING,
    builtins: words('eval exec execfile compile open __import__ breakpoint input apply exit quit globals vars'),
    runpy: EVERYTHING,
    code: words('interact InteractiveConsole InteractiveInterpreter compile_command'),
    codeop: EVERYTHING,
    importlib: EVERYTHING,
    imp: EVERYTHING,
    pkgutil: EVERYTHING,
    pip: EVERYTHING,
    ensurepip: EVERYTHING,
    ctypes: EVERYTHING,
    socket: EVERYTHING,
    ssl: EVERYTHING,
    'http.client': EVERYTHING,
    'http.server': EVERYTHING,
    httplib: EVERYTHING,
    urllib: EVERYTHING,
    urllib2: EVERYTHING,
    requests: EVERYTHING,
    aiohttp: EVERYTHING,
    ftplib: EVERYTHING,
    smtplib: EVERYTHING,
    telnetlib: EVERYTHING,
    webbrowser: EVERYTHING,
    shutil: EVERYTHING,
    tempfile: EVERYTHING,
    pickle: words('load loads Unpickler'),
    _pickle: words('load loads Unpickler'),
    cPickle: words('load loads Unpickler'),
    dill: words('load loads Unpickler load_session'),
    cloudpickle: words('load loads'),
    joblib: words('load'),
    marshal: EVERYTHING,
    types: words('CodeType FunctionType'),
    timeit: EVERYTHING,
    trace: words('Trace'),
    profile: words('run runctx Profile'),
    cProfile: words('run runctx Profile'),
    pdb: EVERYTHING,
    bdb: EVERYTHING,
    pydoc: EVERYTHING,
    doctest: EVERYTHING,
    idlelib: EVERYTHING,
    lib2to3: EVERYTHING,
    distutils: EVERYTHING,
    setuptools: EVERYTHING,
    venv: EVERYTHING,
    zipimport: EVERYTHING,
    'torch.hub': EVERYTHING,
    'torch.serialization': words('load'),
    'torch.utils.collect_env': EVERYTHING,
    'torch.utils.cpp_extension': EVERYTHING,
    torch: words('load'),
    'numpy.testing': EVERYTHING,
    'numpy.f2py': EVERYTHING,
  }),
);

function words(text: string): ReadonlySet<string> {
  return new Set(text.split(' '));
}

/** Whether a name is one that only an attack has in a checkpoint. Submodules count as their parents. */
export function isHarmful(module: string, name: string): boolean {
  // `__builtin__` is the module's name in protocol 2.
  const root = module === '__builtin__' ? 'builtins' : module;
  const parts = name.split('.');
  // A dotted name reaches into what the module imports: `path.os.system`.
  return isListed([...root.split('.'), ...parts]) || parts.some((_, i) => isListed(parts.slice(i)));
}

function isListed(whole: readonly string[]): boolean {
  for (let length = 1; length < whole.length; length++) {
    const listed = HARMFUL.get(whole.slice(0, length).join('.'));
    if (listed === EVERYTHING || listed?.has(whole[length]!)) return true;
    if (/^(exec|spawn|posix_spawn)/.test(whole[length]!) && whole[length - 1] === 'os') return true;
  }
  return false;
}
