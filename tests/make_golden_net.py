"""A tiny YOLOv5 model in plain PyTorch, for make_golden_check.py: layers, state_dict keys and decoding as in YOLOv5 7.0, and EMA attention."""
import torch
from torch import nn

KEYS = {
    "nc": 2, "depth_multiple": 1.0, "width_multiple": 1.0, "anchors": [[10, 13, 16, 30], [30, 61, 62, 45]],
    "backbone": [[-1, 1, "Conv", [8, 6, 2, 2]], [-1, 1, "Conv", [16, 3, 2]], [-1, 1, "EMA", [4]], [-1, 1, "Conv", [32, 3, 2]]],
    "head": [[[2, 3], 1, "Detect", ["nc", "anchors"]]],
}


class EMA(nn.Module):
    """Efficient multi-scale attention (arXiv:2305.13563)."""

    def __init__(self, channels, factor=8):
        super().__init__()
        self.groups = factor
        width = channels // factor
        self.gn = nn.GroupNorm(width, width)
        self.conv1x1 = nn.Conv2d(width, width, 1)
        self.conv3x3 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x):
        b, c, h, w = x.shape
        group = x.reshape(b * self.groups, -1, h, w)
        rows, columns = group.mean(3, keepdim=True), group.mean(2, keepdim=True).transpose(2, 3)
        rows, columns = self.conv1x1(torch.cat([rows, columns], 2)).split([h, w], 2)
        one = self.gn(group * rows.sigmoid() * columns.transpose(2, 3).sigmoid())
        other = self.conv3x3(group)
        gate = sum(p.mean((2, 3)).softmax(1).unsqueeze(1) @ q.flatten(2) for p, q in ((one, other), (other, one)))
        return (group * gate.view(-1, 1, h, w).sigmoid()).view(b, c, h, w)


class Conv(nn.Module):
    def __init__(self, c1, c2, k, s, p=None):
        super().__init__()
        self.conv = nn.Conv2d(c1, c2, k, s, k // 2 if p is None else p, bias=False)
        self.bn = nn.BatchNorm2d(c2, eps=1e-3)

    def forward(self, x):
        return nn.functional.silu(self.bn(self.conv(x)))


class Detect(nn.Module):
    def __init__(self, nc, anchors, ch):
        super().__init__()
        self.nc, self.no, self.na = nc, nc + 5, len(anchors[0]) // 2
        self.stride = torch.tensor([4.0, 8.0])
        self.register_buffer("anchors", torch.tensor(anchors).float().view(len(anchors), -1, 2) / self.stride.view(-1, 1, 1))
        self.m = nn.ModuleList(nn.Conv2d(c, self.no * self.na, 1) for c in ch)

    def forward(self, xs):
        boxes = []
        for x, conv, stride, anchors in zip(xs, self.m, self.stride.tolist(), self.anchors):
            b, _, h, w = x.shape
            y = conv(x).view(b, self.na, self.no, h, w).permute(0, 1, 3, 4, 2).sigmoid()
            grid = torch.stack(torch.meshgrid(torch.arange(w), torch.arange(h), indexing="xy"), -1) - 0.5
            size = (y[..., 2:4] * 2) ** 2 * anchors.view(1, -1, 1, 1, 2) * stride
            boxes.append(torch.cat([(y[..., :2] * 2 + grid) * stride, size, y[..., 4:]], -1).flatten(1, 3))
        return torch.cat(boxes, 1), xs


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.yaml, self.names = KEYS, ["cat", "dog"]
        self.model = nn.Sequential(Conv(3, 8, 6, 2, 2), Conv(8, 16, 3, 2), EMA(16, 4), Conv(16, 32, 3, 2), Detect(KEYS["nc"], KEYS["anchors"], [16, 32]))

    def forward(self, x):
        *layers, head = self.model
        maps = []
        for layer in layers:
            x = layer(x)
            maps.append(x)
        return head(maps[2:])


def trained():
    """A net whose BatchNorm statistics and biases are not those of a new one."""
    net = Net()
    with torch.no_grad():
        for key, tensor in net.state_dict().items():
            if key.endswith(("running_mean", "bias")):
                tensor.normal_(0, 0.2)
            elif key.endswith(("running_var", "bn.weight")):
                tensor.uniform_(0.5, 1.5)
    return net
