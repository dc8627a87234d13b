"""Times PyTorch training steps on request: reads `run N` lines, answers one JSON line each. Needs: pip install torch"""
import json
import os
import resource
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "pytorch"))
import torch
from networks import UNet3D, VNet, segmentation_loss

options = json.loads(sys.argv[1])
torch.manual_seed(0)
torch.set_num_threads(options["threads"])
batch, size, channels_last = options["batch"], options["size"], options["layout"] == "channels_last_3d"
network = VNet(filters=options["filters"]) if options["network"] == "vnet" else UNet3D(filters=options["filters"])
device = options.get("device", "cpu")
amp = options.get("amp", False)
if options.get("tf32"):
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
network = network.to(device)
x = torch.randn(batch, 1, *size, device=device)
y = (torch.rand(batch, *size, device=device) > 0.7).long()
if channels_last:
    network = network.to(memory_format=torch.channels_last_3d)
    x = x.contiguous(memory_format=torch.channels_last_3d)
scaler = torch.amp.GradScaler(device, enabled=amp)
optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)


def step():
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast(device, dtype=torch.float16, enabled=amp):
        logits = network(x)
    loss = segmentation_loss(logits.float(), y)
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    return loss.item()


def peak():
    """GFLOP/s of a matrix product per second of CPU time: of one core."""
    a = torch.randn(2048, 2048)
    best = 0
    for _ in range(5):
        # CPU time: other work on the machine does not lower it.
        t = time.process_time()
        a @ a
        best = max(best, 2 * 2048**3 / (time.process_time() - t) / 1e9)
    return best


print(json.dumps({"ready": True, "version": torch.__version__, "parameters": sum(p.numel() for p in network.parameters())}), flush=True)
for line in sys.stdin:
    command = line.split()
    if command[0] == "peak":
        print(json.dumps({"gflops": peak()}), flush=True)
        continue
    times, cpu, loss = [], [], None
    for _ in range(int(command[1])):
        t, c = time.perf_counter(), time.process_time()
        loss = step()
        times.append(time.perf_counter() - t)
        cpu.append(time.process_time() - c)
    print(json.dumps({"seconds": times, "cpuSeconds": cpu, "loss": loss, "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}), flush=True)
