"""Writes the checkpoints beside it as the published training code does; run with torch 1.10.0."""

import pathlib

import torch

model = torch.nn.DataParallel(torch.nn.Linear(2, 1))
with torch.no_grad():
    model.module.weight.copy_(torch.tensor([[1.0, 2.0]]))
    model.module.bias.fill_(3.0)
optimizer = torch.optim.Adam(model.parameters(), lr=0.5)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 15, gamma=0.5)
for _ in range(2):
    model.module.weight.grad = torch.tensor([[4.0, -8.0]])
    model.module.bias.grad = torch.ones(1)
    optimizer.step()
    scheduler.step()
for name in ("zip", "legacy"):
    torch.save(
        {
            "epoch": 2,
            "network": "HTT",
            "state_dict": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "scheduler": scheduler,
        },
        str(pathlib.Path(__file__).with_name(name + ".pth")),
        _use_new_zipfile_serialization=name == "zip",
    )
