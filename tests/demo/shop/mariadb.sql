-- A small web shop. Nobody indexed what its reports look for: that is what makes them slow.
CREATE TABLE customers (
    id int PRIMARY KEY, email varchar(80) NOT NULL, name varchar(80) NOT NULL, country char(2) NOT NULL,
    registered_at datetime NOT NULL
);
CREATE TABLE products (
    id int PRIMARY KEY, name varchar(80) NOT NULL, category varchar(20) NOT NULL, price decimal(10, 2) NOT NULL,
    stock int NOT NULL
);
CREATE TABLE orders (
    id int PRIMARY KEY, customer_id int NOT NULL, placed_at datetime NOT NULL, status varchar(12) NOT NULL,
    note varchar(120) NOT NULL, total decimal(12, 2) NOT NULL
);
CREATE TABLE order_lines (
    id int PRIMARY KEY, order_id int NOT NULL, product_id int NOT NULL, quantity int NOT NULL,
    price decimal(10, 2) NOT NULL
);
INSERT INTO customers
SELECT seq, CONCAT('customer', seq, '@mail.example'), CONCAT('Customer ', seq),
       ELT(1 + seq % 6, 'DE', 'IT', 'FR', 'ES', 'NL', 'AT'), NOW() - INTERVAL (seq * 37 % 900) DAY
FROM seq_1_to_4000;
INSERT INTO products
SELECT seq, CONCAT('Product ', seq), ELT(1 + seq % 5, 'garden', 'kitchen', 'office', 'toys', 'sports'),
       1 + (seq * 131 % 9900) / 100, 1000000
FROM seq_1_to_600;
INSERT INTO orders
SELECT seq, 1 + seq * 7919 % 4000, NOW() - INTERVAL (seq * 13 % 500) DAY,
       ELT(1 + seq % 4, 'new', 'paid', 'shipped', 'returned'),
       CONCAT(ELT(1 + seq % 3, 'leave at the door, ', 'express, ', 'gift wrapped, '), 'reference ', seq * 31 % 9973),
       (seq * 17 % 50000) / 100
FROM seq_1_to_40000;
INSERT INTO order_lines
SELECT seq, 1 + seq * 3 % 40000, 1 + seq * 7907 % 600, 1 + seq % 5, 1 + (seq * 131 % 9900) / 100
FROM seq_1_to_100000;
CREATE INDEX order_lines_order ON order_lines (order_id);
ANALYZE TABLE customers, products, orders, order_lines;
