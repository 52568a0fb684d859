//! Adam (Kingma and Ba 2015), with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2).
use tch::Tensor;

use crate::runtime::Result;

/// The order of operations, which settles the last bits of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdamForm {
    /// Moments as sums of two products, roots divided by their correction: PyTorch's order.
    Products,
    /// Moments interpolated, roots multiplied by the reciprocal of their correction: fewer passes over memory.
    Interpolated,
}

/// Constants of the rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamRule {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Order of operations.
    pub form: AdamForm,
}

/// What one step does with its gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Learning rate of this step.
    pub rate: f64,
    /// Share of every parameter that is taken away before the update.
    pub decay: f64,
    /// Factor of the gradients.
    pub scale: f64,
}

/// Moments of every parameter.
pub struct AdamUpdate {
    rule: AdamRule,
    /// First moments, in the order of the parameters.
    pub first: Vec<Tensor>,
    /// Second moments.
    pub second: Vec<Tensor>,
    /// Steps taken.
    pub taken: u64,
}

impl AdamUpdate {
    /// Zero moments for `parameters`.
    pub fn new(rule: AdamRule, parameters: &[Tensor]) -> Result<Self> {
        let zeros =
            || -> Result<Vec<Tensor>> { parameters.iter().map(|p| Ok(p.f_detach()?.f_zeros_like()?)).collect() };
        Ok(Self {
            rule,
            first: zeros()?,
            second: zeros()?,
            taken: 0,
        })
    }

    /// One update in place; `gradients` stand in the order of `parameters`. Call it with autograd off.
    ///
    /// m <- b1 m + (1 - b1) g, v <- b2 v + (1 - b2) g^2,
    /// p <- (1 - decay) p - rate m / (1 - b1^n) / (sqrt(v / (1 - b2^n)) + epsilon).
    pub fn step(&mut self, parameters: &mut [Tensor], gradients: &[Tensor], step: AdamStep) -> Result<()> {
        self.taken += 1;
        let rule = self.rule;
        let size = step.rate / self.correction(rule.beta1);
        let spread = self.correction(rule.beta2).sqrt();
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((parameter, gradient), (first, second)) in parameters.iter_mut().zip(gradients).zip(moments) {
            let gradient = gradient.f_mul_scalar(step.scale)?;
            rule.form.average(first, &gradient, rule.beta1)?;
            rule.form.average(second, &gradient.f_square()?, rule.beta2)?;
            let root = match rule.form {
                AdamForm::Products => second.f_sqrt()?.f_div_scalar(spread)?,
                AdamForm::Interpolated => second.f_sqrt()?.f_mul_scalar(spread.recip())?,
            };
            let update = first.f_div(&root.f_add_scalar(rule.epsilon)?)?.f_mul_scalar(size)?;
            let _ = parameter.f_mul_scalar_(1.0 - step.decay)?;
            let _ = parameter.f_sub_(&update)?;
        }
        Ok(())
    }

    /// 1 - beta^n after n steps.
    fn correction(&self, beta: f64) -> f64 {
        match self.rule.form {
            AdamForm::Products => 1.0 - beta.powi(self.taken as i32),
            AdamForm::Interpolated => 1.0 - beta.powf(self.taken as f64),
        }
    }
}

impl AdamForm {
    /// `mean` <- beta mean + (1 - beta) value.
    fn average(self, mean: &mut Tensor, value: &Tensor, beta: f64) -> Result<()> {
        let _ = match self {
            Self::Products => mean.f_mul_scalar_(beta)?.f_add_(&value.f_mul_scalar(1.0 - beta)?)?,
            Self::Interpolated => mean.f_lerp_(value, 1.0 - beta)?,
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    #[test]
    fn adam_minimises_as_computed_by_hand() {
        for form in [AdamForm::Products, AdamForm::Interpolated] {
            let rule = AdamRule {
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-8,
                form,
            };
            let step = AdamStep {
                rate: 0.1,
                decay: 0.0,
                scale: 1.0,
            };
            let mut parameters = [Tensor::from_slice(&[1.0_f64, -2.0])];
            let mut adam = AdamUpdate::new(rule, &parameters).unwrap();
            // First step: m/(1-b1) = g, v/(1-b2) = g^2, hence lr * sign(g).
            adam.step(&mut parameters, &[Tensor::from_slice(&[3.0_f64, -0.5])], step)
                .unwrap();
            assert!((parameters[0].double_value(&[0]) - 0.9).abs() < 1e-8);
            assert!((parameters[0].double_value(&[1]) + 1.9).abs() < 1e-8);
            // Second step with g = 1: m = .9*.3+.1 = .37, v = .999*.009+.001 = .009991.
            adam.step(&mut parameters, &[Tensor::from_slice(&[1.0_f64, 0.0])], step)
                .unwrap();
            let expected = 0.9 - 0.1 * (0.37 / 0.19) / (0.009991_f64 / (1.0 - 0.999_f64 * 0.999)).sqrt();
            assert!((parameters[0].double_value(&[0]) - expected).abs() < 1e-7);
            assert_eq!(parameters[0].kind(), Kind::Double);
        }
    }
}
