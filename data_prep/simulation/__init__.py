"""The parts of the simulator behind `python -m data_prep.simulate`."""
