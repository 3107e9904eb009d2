"""PyTorch beside chainrule: its modules brought over, and its live models watched."""
