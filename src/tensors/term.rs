//! Terms of a formula: operators on tensors that can fail.
//!
//! `tch`'s own operators panic where shapes do not fit; its fallible methods nest until a formula cannot be read.
//! Between [`term`] and [`Term::tensor`] a formula stands as it is printed:
//!
//! ```
//! use tomocut::tensors::term;
//! # use tch::{Device, Kind, Tensor};
//! # fn example(z: &Tensor, noise: &Tensor, abar: f64) -> tomocut::Result<Tensor> {
//! let x = (abar.sqrt() * term(z) + (1.0 - abar).sqrt() * term(noise)).tensor()?;
//! # Ok(x)
//! # }
//! # let ones = Tensor::ones([3], (Kind::Float, Device::Cpu));
//! # assert!(example(&ones, &ones, 0.25).is_ok());
//! ```
//!
//! Each operator is one call of libtorch, out of place and in the order of the source; an operand that a term owns is
//! released as soon as the operator is done. The first failure is kept and handed out at the end.
use std::ops::{Add, Div, Mul, Neg, Sub};

use tch::{TchError, Tensor};

use crate::runtime::{Error, Result};

/// A part of a formula: a tensor, borrowed or computed, or why it could not be computed.
#[must_use = "a term is a tensor once `tensor` is called"]
pub struct Term<'a>(Result<Value<'a>>);

enum Value<'a> {
    Borrowed(&'a Tensor),
    Computed(Tensor),
}

impl Value<'_> {
    fn get(&self) -> &Tensor {
        match self {
            Self::Borrowed(tensor) => tensor,
            Self::Computed(tensor) => tensor,
        }
    }
}

/// A tensor, a reference to one, or the result of a call that gives one, as a term of a formula.
pub fn term<'a>(tensor: impl Into<Term<'a>>) -> Term<'a> {
    tensor.into()
}

impl Term<'_> {
    /// The value of the formula, or its first failure. A term that is only a reference gives the tensor itself, not a
    /// copy.
    pub fn tensor(self) -> Result<Tensor> {
        self.0.map(|value| match value {
            Value::Borrowed(tensor) => tensor.shallow_clone(),
            Value::Computed(tensor) => tensor,
        })
    }

    /// A function of this term, as in `term(x).map(Tensor::f_exp)`.
    pub fn map(self, function: impl FnOnce(&Tensor) -> std::result::Result<Tensor, TchError>) -> Term<'static> {
        Term(self.0.and_then(|value| Ok(Value::Computed(function(value.get())?))))
    }

    /// The square of every element.
    pub fn square(self) -> Term<'static> {
        self.map(Tensor::f_square)
    }

    /// The square root of every element.
    pub fn sqrt(self) -> Term<'static> {
        self.map(Tensor::f_sqrt)
    }

    /// e to the power of every element.
    pub fn exp(self) -> Term<'static> {
        self.map(Tensor::f_exp)
    }

    /// The sum along `axis`, which stays with a length of one.
    pub fn sum_along(self, axis: i64) -> Term<'static> {
        self.map(|tensor| tensor.f_sum_dim_intlist(axis, true, None))
    }

    fn with(
        self,
        other: Term,
        operator: impl FnOnce(&Tensor, &Tensor) -> std::result::Result<Tensor, TchError>,
    ) -> Term<'static> {
        let both = self.0.and_then(|left| Ok((left, other.0?)));
        Term(both.and_then(|(left, right)| Ok(Value::Computed(operator(left.get(), right.get())?))))
    }
}

impl From<Tensor> for Term<'_> {
    fn from(tensor: Tensor) -> Self {
        Self(Ok(Value::Computed(tensor)))
    }
}

impl<'a> From<&'a Tensor> for Term<'a> {
    fn from(tensor: &'a Tensor) -> Self {
        Self(Ok(Value::Borrowed(tensor)))
    }
}

impl From<Result<Tensor>> for Term<'_> {
    fn from(computed: Result<Tensor>) -> Self {
        Self(computed.map(Value::Computed))
    }
}

impl From<std::result::Result<Tensor, TchError>> for Term<'_> {
    fn from(computed: std::result::Result<Tensor, TchError>) -> Self {
        Self(computed.map(Value::Computed).map_err(Error::from))
    }
}

/// `term OPERATOR other` for every kind of operand, and with a number on the right.
macro_rules! operator {
    ($operator:ident, $method:ident, $tensors:ident, $number:ident) => {
        operator!($operator, $method, $tensors, for Term<'_>, &Tensor, Tensor, Result<Tensor>);
        operator!($operator, $method, $tensors, for std::result::Result<Tensor, TchError>);

        impl $operator<f64> for Term<'_> {
            type Output = Term<'static>;

            fn $method(self, number: f64) -> Term<'static> {
                self.map(|tensor| tensor.$number(number))
            }
        }
    };
    ($operator:ident, $method:ident, $tensors:ident, for $($other:ty),+) => {$(
        impl $operator<$other> for Term<'_> {
            type Output = Term<'static>;

            fn $method(self, other: $other) -> Term<'static> {
                self.with(term(other), Tensor::$tensors)
            }
        }
    )+};
}

operator!(Add, add, f_add, f_add_scalar);
operator!(Sub, sub, f_sub, f_sub_scalar);
operator!(Mul, mul, f_mul, f_mul_scalar);
operator!(Div, div, f_div, f_div_scalar);

impl Add<Term<'_>> for f64 {
    type Output = Term<'static>;

    fn add(self, term: Term) -> Term<'static> {
        term + self
    }
}

impl Sub<Term<'_>> for f64 {
    type Output = Term<'static>;

    fn sub(self, term: Term) -> Term<'static> {
        term.map(|tensor| tensor.f_rsub_scalar(self))
    }
}

impl Mul<Term<'_>> for f64 {
    type Output = Term<'static>;

    fn mul(self, term: Term) -> Term<'static> {
        term * self
    }
}

impl Neg for Term<'_> {
    type Output = Term<'static>;

    fn neg(self) -> Term<'static> {
        self.map(Tensor::f_neg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Generator;
    use tch::Device;

    fn drawn(shape: &[i64]) -> Tensor {
        Generator::new(5, 0).normal_tensor(shape, Device::Cpu).unwrap()
    }

    #[test]
    fn a_formula_gives_the_bytes_of_its_calls() {
        let (x, y) = (drawn(&[3, 40]), drawn(&[40]));
        let formula = ((2.0 * term(&x) - &y) / (term(&y).square() + 0.5).sqrt() + 0.1 * term(x.f_exp())).tensor();
        let calls = (&x * 2.0 - &y) / (y.square() + 0.5).sqrt() + x.exp() * 0.1;
        assert_eq!(formula.unwrap(), calls);
        assert_eq!((1.0 - term(&x)).tensor().unwrap(), -&x + 1.0);
        assert_eq!((-term(&x)).tensor().unwrap(), -&x);
        let sum = term(&x).square().sum_along(1).tensor().unwrap();
        assert_eq!(sum, x.square().sum_dim_intlist(1_i64, true, None));
        assert_eq!((3.0 + term(&x) / 7.0).tensor().unwrap(), &x / 7.0 + 3.0);
        assert_eq!(
            (term(&x) * Ok::<_, Error>(drawn(&[40]))).exp().tensor().unwrap(),
            (&x * &y).exp()
        );
    }

    #[test]
    fn a_reference_alone_is_not_copied() {
        let x = drawn(&[4]);
        assert_eq!(term(&x).tensor().unwrap().data_ptr(), x.data_ptr());
    }

    #[test]
    fn gradients_run_through() {
        let x = drawn(&[4]).set_requires_grad(true);
        let loss = (term(&x).square() * 3.0 - &x).map(|x| x.f_sum(None)).tensor().unwrap();
        loss.backward();
        assert!(x.grad().allclose(&(x.detach() * 6.0 - 1.0), 1e-6, 1e-6, false));
    }

    #[test]
    fn the_first_failure_comes_out() {
        let (x, y) = (drawn(&[3]), drawn(&[4]));
        let failed = (term(&x) + &y) * Err::<Tensor, _>(Error::State("later".into()));
        assert!(matches!(failed.tensor(), Err(Error::Internal(text)) if text.contains("size")));
        let failed = (term(Err::<Tensor, _>(Error::State("first".into()))) - &x) / &y;
        assert!(matches!(failed.tensor(), Err(Error::State(text)) if text == "first"));
    }
}
