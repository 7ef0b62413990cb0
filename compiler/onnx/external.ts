/**
 * Where tensors lie in a file of their own, beside the model: protobuf holds less than 2 GiB, such a file any number of
 * bytes. Source: onnx/docs/ExternalData.md, whose offsets are multiples of a page so that runtimes can map the file.
 */

/** Smaller tensors stay in the model, as in onnx.save_model: shapes are inferred from some, and a page is too much for them. */
const LEAST = 1024;
const PAGE = 4096;
/** Tensors from this size on begin where Windows can map them too; onnxruntime and onnx_ir draw the line at the same size. */
const LARGE = 1 << 20;
const GRANULARITY = 1 << 16;

/** At most so many bytes lie between two tensors. */
export const MOST_PADDING = GRANULARITY;

/** TensorProto.DataLocation. */
export const EXTERNAL = 1;

export interface Places {
  /** Of every tensor in order; undefined where it stays in the model. */
  readonly offsets: readonly (number | undefined)[];
  /** Length of the data file; 0 when all tensors stay in the model. */
  readonly bytes: number;
}

/** Places for tensors of these sizes, in their order. */
export function placesFor(sizes: readonly number[]): Places {
  let end = 0;
  const offsets = sizes.map((size) => {
    if (size < LEAST) return undefined;
    const unit = size < LARGE ? PAGE : GRANULARITY;
    const offset = Math.ceil(end / unit) * unit;
    end = offset + size;
    return offset;
  });
  return { offsets, bytes: end };
}
