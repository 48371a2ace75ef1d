"""What customers are charged: plans, bills of any month, invoices."""
